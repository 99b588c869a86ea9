"""Schedules in a whole operator in memory: manifests, what was made, and how the schedule stands."""

from datetime import datetime, timedelta
from typing import Any

from support.fake_cluster import FakeCluster
from support.memory_operator import MemoryOperator
from support.records import NAMESPACE
from taskaction.api.action_schedule import ActionSchedule
from taskaction.cluster.gateway import ACTION_SCHEDULES, Body
from taskaction.cluster.memory.store import Event
from taskaction.core.constants import API_VERSION
from taskaction.core.names import scheduled_name
from taskaction.testing.clock import START

NAME = "s"
UID = f"uid-of-{NAME}"
NOOP: Body = {"spec": {"executor": "noop"}}


def schedule_body(name: str = NAME, template: Body = NOOP, **spec: Any) -> Body:
    """Give a schedule as the API server stores it, with a time every ten seconds unless ``spec`` says otherwise."""
    times = {} if "cron" in spec else {"interval": "10s"}
    return {
        "apiVersion": API_VERSION,
        "kind": ACTION_SCHEDULES.kind,
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-of-{name}",
            "creationTimestamp": START.isoformat(),
            "generation": 1,
        },
        "spec": {**times, **spec, "template": {"kind": "TaskAction"} | template},
    }


async def begin(operator: MemoryOperator, *bodies: Body) -> None:
    """Create schedules as users do, and let the operator go as far as it can now."""
    for body in bodies:
        operator.cluster.store(ACTION_SCHEDULES, body)
    await operator.settle()


async def change(operator: MemoryOperator, name: str = NAME, **spec: Any) -> None:
    """Change a schedule as its user does."""
    found = operator.cluster.objects["actionschedules", NAMESPACE, name]
    metadata = found["metadata"] | {"generation": found["metadata"]["generation"] + 1}
    operator.cluster.store(ACTION_SCHEDULES, found | {"metadata": metadata, "spec": found["spec"] | spec})
    await operator.settle()


def schedule_of(cluster: FakeCluster, name: str = NAME) -> ActionSchedule:
    """Give a schedule as the API server has it, read."""
    return ActionSchedule.from_body(cluster.objects["actionschedules", NAMESPACE, name])


def readiness(cluster: FakeCluster, name: str = NAME) -> tuple[str, str]:
    """Give reason and message of the condition Ready."""
    (condition,) = schedule_of(cluster, name).status.conditions
    return condition.reason, condition.message


def at(seconds: float) -> datetime:
    """Give a moment, in seconds after the start."""
    return START + timedelta(seconds=seconds)


def made_name(seconds: float, name: str = NAME) -> str:
    """Give the name of the object of a nominal time."""
    return scheduled_name(name, at(seconds))


class Births:
    """Keeps the name of every object of a kind that was ever created, in their order."""

    def __init__(self, cluster: FakeCluster, plural: str = "taskactions") -> None:
        self.names: list[str] = []
        self.plural = plural
        cluster.listen(self._on_event)

    def _on_event(self, event: Event) -> None:
        if event.plural == self.plural and event.kind == "ADDED":
            self.names.append(event.body["metadata"]["name"])

    @property
    def seconds(self) -> list[float]:
        """Give the nominal times, in seconds after the start."""
        return [float(name.rpartition("-")[2]) - START.timestamp() for name in self.names]
