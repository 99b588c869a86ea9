"""Actions services as processes of their own, with the rights that the chart grants, and requests to send to them."""

import os
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flyteidl2.actions.actions_service_pb2 import Action, EnqueueRequest, WatchForUpdatesRequest
from flyteidl2.common.identifier_pb2 import ActionIdentifier, RunIdentifier
from flyteidl2.common.phase_pb2 import ActionPhase

from cluster import processes
from cluster.kubectl import Kubectl
from cluster.ports import HOST, free_port
from cluster.processes import Program, wait_until
from local import account
from local.operator_process import Launch
from support import preloaded
from support.accounts import create_account, delete_cluster_role, request_token

NAME = "taskaction-actions"


@dataclass
class ActionsServices:
    """Starts services for one namespace; they listen at one address, one after the other.

    Attributes:
        within: what puts a command into another network, where they are reached at ``host``.
    """

    kubectl: Kubectl
    namespace: str
    folder: Path
    within: Sequence[str] = ()
    host: str = HOST
    launch: Launch = preloaded.start
    running: list[Program] = field(default_factory=list)
    started: int = 0

    def __post_init__(self) -> None:
        self.url = f"http://{self.host}:{free_port()}"
        self.probes = f"http://{self.host}:{free_port()}"
        self.cluster_name = f"{NAME}-{self.namespace}"
        here = {"name": NAME, "namespace": self.namespace}
        bound = []
        for kind, metadata, name in (
            ("Role", here, "actions"),
            ("ClusterRole", {"name": self.cluster_name}, "actions-cluster"),
        ):
            binding = account.binding(kind, metadata, self.namespace)
            binding["subjects"] = [{"kind": "ServiceAccount", **here}]
            bound += [account.role(kind, metadata, account.read(name)), binding]
        items = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here}, *bound]
        self.kubeconfig = create_account(self.kubectl, self.namespace, NAME, items, self.folder / "actions-kubeconfig")

    @property
    def address(self) -> str:
        """Where it listens, as gRPC writes it."""
        return self.url.removeprefix("http://")

    def token(self, name: str) -> str:
        """Give a token of a ServiceAccount of the namespace."""
        return request_token(self.kubectl, self.namespace, name)

    def start(self, **settings: str) -> Program:
        """Start one and return when it is ready; without settings it lets everybody do everything."""
        self.started += 1
        own = {
            "bind": self.address,
            "probes_bind": self.probes.removeprefix("http://"),
            "namespace": self.namespace,
            "authentication": "none",
            "task_types": "noop=noop,sleep=sleep,fail=fail",
            "drain": "200ms",
            **settings,
        }
        env = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "TASKACTION_LOG_FORMAT": "console",
            **{f"TASKACTION_ACTIONS_{name.upper()}": value for name, value in own.items()},
        }
        command = [str(Path(sys.executable).with_name("taskaction")), "actions", "serve"]
        log = self.folder / f"actions-{self.started}.log"
        launch = processes.start if self.within else self.launch
        program = launch(
            "actions service", [*self.within, *command], mark=" ".join(command), log=log, tied=True, env=env
        )
        self.running.append(program)
        wait_until(self.is_ready, timeout=60, what="the Actions service to be ready", program=program)
        return program

    def is_ready(self) -> bool:
        """Ask the readiness probe."""
        try:
            with urllib.request.urlopen(f"{self.probes}/readyz", timeout=2):
                return True
        except OSError:
            return False

    def metric(self, name: str) -> float:
        """Give a metric without labels."""
        with urllib.request.urlopen(f"{self.probes}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])

    def kill(self) -> None:
        """End it as a crash does."""
        while self.running:
            self.running.pop().end()

    def close(self) -> None:
        """End it gently, and remove what lies outside of the namespace."""
        while self.running:
            self.running.pop().end(grace=20)
        delete_cluster_role(self.kubectl, self.cluster_name)


def action_id(run: str, name: str = "a0", project: str = "shop") -> ActionIdentifier:
    """Give an identifier in the usual project."""
    return ActionIdentifier(run=RunIdentifier(org="acme", project=project, domain="test", name=run), name=name)


def task(
    run: str,
    name: str = "a0",
    parent: str | None = None,
    *,
    kind: str = "noop",
    project: str = "shop",
    **custom: object,
) -> EnqueueRequest:
    """Give a request for a task; ``custom`` becomes the parameters of another executor than flyte's."""
    action = Action(action_id=action_id(run, name, project), input_uri="s3://in", run_output_base="s3://out")
    if parent is not None:
        action.parent_action_name = parent
    template = action.task.spec.task_template
    template.type = kind
    template.custom.update(custom)
    return EnqueueRequest(action=action)


def condition(run: str, name: str, parent: str, simple: int) -> EnqueueRequest:
    """Give a request for a condition."""
    action = Action(action_id=action_id(run, name), input_uri="s3://in", run_output_base="s3://out")
    action.parent_action_name = parent
    action.condition.name = name
    action.condition.type.simple = simple
    return EnqueueRequest(action=action)


def trace(run: str, name: str, phase: ActionPhase = ActionPhase.ACTION_PHASE_SUCCEEDED) -> EnqueueRequest:
    """Give a request for a step that its program has recorded."""
    action = Action(action_id=action_id(run, name), input_uri="s3://in", run_output_base="s3://out")
    action.parent_action_name = "a0"
    action.trace.name, action.trace.phase = "step", phase
    action.trace.outputs.output_uri = f"s3://out/{name}/outputs.pb"
    return EnqueueRequest(action=action)


def watch(run: str, parent: str = "a0") -> WatchForUpdatesRequest:
    """Give a request to follow the children of an action."""
    return WatchForUpdatesRequest(parent_action_id=action_id(run, parent))
