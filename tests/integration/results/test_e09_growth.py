"""E9: a replica that lives under load needs no more memory, descriptors and entries than after its first minute."""

import json
import os
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local.manifests import ROOT
from support.actions import API_VERSION, action, create, patch, phase, wait_for_all
from support.operators import PLUGIN, QUICK_LEASES, Operators, metric
from support.tcp_proxy import Wire
from support.world import World, job, keyed, once

INSPECTION = """
import gc
import json
import os
import signal


def write_sizes(*_):
    from support.containers import container_sizes
    from taskaction.app.replica import Replica

    (replica,) = (one for one in gc.get_objects() if isinstance(one, Replica))
    path = os.environ["SIZES_FILE"]
    with open(path + ".new", "w") as file:
        json.dump(container_sizes(replica), file)
    os.replace(path + ".new", path)


signal.signal(signal.SIGUSR1, write_sizes)
"""
BOUNDED = ("._deleted._entries", "._ended._entries", ".finished", "._absent", "._programs", "._waiters")
"""What is momentary, or keeps its entries for a time or up to a number, as tests/unit/app shows."""
CHEAP: dict[str, dict[str, Any]] = {
    "noop": {},
    "fail": {"message": "no luck", "retry_class": None},
    "sleep": {"duration": "50ms"},
    "wait": {"duration": "50ms"},
}
EACH = 6
SECONDS = 60
FLOW = {
    "StartAt": "Each",
    "States": {
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "Inline": True,
            "ItemProcessor": {
                "StartAt": "One",
                "States": {"One": {"Type": "Action", "ActionUrl": "taskaction://executor/noop", "End": True}},
            },
            "ResultPath": "$.each",
            "Next": "Two",
        },
        "Two": {"Type": "Action", "ActionUrl": "taskaction://executor/noop", "ResultPath": "$.two", "End": True},
    },
}
LASTING = {"TASKACTION_LEASE_DURATION": "15s", "TASKACTION_LEASE_RENEW_DEADLINE": "10s"}
FREEZES, FREEZE_SECONDS = 4, 4.0
BURST = 60
CONNECTIONS_MORE, MEGABYTES_MORE = 10, 25


class Inspected:
    """An operator whose containers and descriptors can be counted."""

    def __init__(
        self,
        operators: Operators,
        folder: Path,
        settings: dict[str, str] | None = None,
        kubeconfig: Path | None = None,
    ) -> None:
        (folder / "sitecustomize.py").write_text(INSPECTION)
        self.file = folder / "sizes.json"
        path = os.pathsep.join(map(str, (folder, PLUGIN, ROOT / "tests")))
        told = {**QUICK_LEASES, "PYTHONPATH": path, "SIZES_FILE": str(self.file), **(settings or {})}
        self.operator = operators.start(told, kubeconfig=kubeconfig)
        self.pid = self.operator.program.pid

    def sizes(self) -> Counter[str]:
        """Give the sizes of its containers, without those that are bounded otherwise."""
        self.file.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)
        wait_until(self.file.exists, timeout=20, what="the sizes of the containers")
        found = Counter(json.loads(self.file.read_text()))
        assert len(found) > 80, "the parts of the operator are looked into"
        return Counter({path: size for path, size in found.items() if not path.endswith(BOUNDED)})

    def descriptors(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def megabytes(self) -> float:
        return float(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def is_idle(self) -> bool:
        return all(metric(self.operator, name) == 0 for name in ("actions_live", "flow_runs_live", "workers_busy"))


def start_wave(kubectl: Kubectl, world: World, number: int) -> None:
    """Create actions of all cheap executors, some of which are aborted, deleted or answered, and runs of a flow."""
    named = f"w{number}"
    requests = {"once": once, "keyed": keyed, "job": job}
    asked = [action(f"{named}-asked{one}", "approval", {"prompt": "?"}) for one in range(4)]
    create(kubectl, [
        *(action(f"{named}-{executor}{one}", executor, parameters, partitionKey=f"key{one % 3}")
          for executor, parameters in CHEAP.items() for one in range(EACH)),
        *(action(f"{named}-{way}{one}", "http", request(world.url, f"{named}-{way}{one}"))
          for way, request in requests.items() for one in range(EACH)),
        *asked,
        action(f"{named}-below", "approval", {"prompt": "?"}, parentRef={"name": f"{named}-asked0"}),
        *({"apiVersion": API_VERSION, "kind": "ActionFlowRun", "metadata": {"name": f"{named}-run{one}"},
           "spec": {"definition": FLOW, "input": {"items": [1, 2, 3]}}} for one in range(2)),
    ])  # fmt: skip
    wait_for_all(kubectl, lambda found: sum(phase(one) == "Paused" for one in found.values()) == len(asked) + 1)
    patch(kubectl, f"{named}-asked0", {"abort": {"reason": "enough"}})
    patch(kubectl, f"{named}-asked1", {"signal": {"value": True}})
    kubectl("delete", "ta", f"{named}-asked2", f"{named}-asked3", "--wait=false")


def test_e09_containers_and_descriptors_are_flat_after_the_first_wave(
    operators: Operators, kubectl: Kubectl, tmp_path: Path
) -> None:
    with World() as world:
        inspected = Inspected(operators, tmp_path)
        sizes, descriptors = [], []
        for number in range(3):
            start_wave(kubectl, world, number)
            wait_until(inspected.is_idle, timeout=SECONDS, what="the end of a wave")
            sizes.append(inspected.sizes())
            descriptors.append(inspected.descriptors())
        assert lasting_growth(inspected, sizes[0]) == Counter()
    operators.stop()
    assert descriptors[2] <= descriptors[0] + CONNECTIONS_MORE


@pytest.mark.endurance
@pytest.mark.timeout(300)
def test_e09_what_a_frozen_network_needs_is_given_back(operators: Operators, kubectl: Kubectl, tmp_path: Path) -> None:
    with World() as world, Wire(operators.kubeconfig) as wire:
        kubeconfig = wire.write_kubeconfig(tmp_path / "wired")
        inspected = Inspected(operators, tmp_path, LASTING, kubeconfig)
        for number in range(2):
            burst(kubectl, world, inspected, f"warm{number}")
        descriptors, megabytes, sizes = inspected.descriptors(), inspected.megabytes(), inspected.sizes()
        most = descriptors
        for number in range(FREEZES):
            wire.cut()
            create(kubectl, requests_of(world, f"frozen{number}"))
            time.sleep(FREEZE_SECONDS)  # the length of the freeze is the case
            wire.mend()
            wait_until(inspected.is_idle, timeout=SECONDS, what="the end of a burst")
            most = max(most, inspected.descriptors())

        assert lasting_growth(inspected, sizes) == Counter()
        most = max(most, inspected.descriptors())

        def is_flat() -> bool:
            create(kubectl, [action(f"steady-{time.monotonic_ns()}")])
            return inspected.descriptors() <= descriptors + CONNECTIONS_MORE

        wait_until(is_flat, timeout=120, every=0.5, what=f"the descriptors to be {descriptors} again, not {most}")
        assert inspected.megabytes() <= megabytes + MEGABYTES_MORE
    operators.stop()


def lasting_growth(inspected: Inspected, before: Counter[str]) -> Counter[str]:
    """Return by how much containers stay larger than before: momentary entries are gone at one look or another."""
    looks = [inspected.sizes() - before]

    def is_flat() -> bool:
        looks.append(looks[-1] & (inspected.sizes() - before))
        return not looks[-1]

    with suppress(ClusterError):  # requests are retried for a while
        wait_until(is_flat, timeout=SECONDS, every=1.0, what="nothing to be left")
    return looks[-1]


def requests_of(world: World, name: str) -> list[dict[str, Any]]:
    return [action(f"{name}-{one}", "http", keyed(world.url, f"{name}-{one}")) for one in range(BURST)]


def burst(kubectl: Kubectl, world: World, inspected: Inspected, name: str) -> None:
    create(kubectl, requests_of(world, name))
    wait_until(inspected.is_idle, timeout=SECONDS, what="the end of a burst")
