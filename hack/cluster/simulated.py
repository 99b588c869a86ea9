"""A control plane on loopback whose one node kwok plays: pods are scheduled, start and complete, but nothing runs."""

import json
from typing import Any

from cluster import commands, keys
from cluster.binaries import HACK
from cluster.commands import SCHEDULER
from cluster.controlplane import ControlPlane
from cluster.nodes import SIMULATED, ready_nodes
from cluster.ports import HOST

KWOK = "kwok"
NODE = "simulated"
STAGES = HACK / "kwok" / "stages.yaml"
LEASE_SECONDS = 40


class SimulatedNode(ControlPlane):
    """A control plane whose folder of programs holds kube-scheduler and kwok as well."""

    pods = KWOK

    def _own_flags(self, kube_api_qps: int) -> dict[str, list[str]]:
        path = self.folder.path
        return {
            **super()._own_flags(kube_api_qps),
            SCHEDULER: commands.scheduler(path),
            KWOK: [
                f"--kubeconfig={path / keys.ADMIN_KUBECONFIG}",
                f"--config={STAGES}",
                f"--manage-single-node={NODE}",
                f"--node-ip={HOST}",
                f"--node-lease-duration-seconds={LEASE_SECONDS}",
            ],
        }

    def _bring_up(self) -> None:
        super()._bring_up()
        self.kubectl("apply", "--filename=-", stdin=json.dumps(node()))
        self._launch(SCHEDULER)
        self._start(KWOK, lambda: bool(ready_nodes(self.kubectl)))


def node() -> dict[str, Any]:
    """Return the node that is played."""
    mark = {SIMULATED: "fake"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "annotations": mark}}
