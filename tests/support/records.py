"""Live actions as this process knows them, with their objects in a ``FakeCluster``."""

from datetime import datetime
from typing import Any

from support.fake_cluster import FakeCluster
from taskaction.api.enums import Phase
from taskaction.api.task_action import Claim, TaskAction, TaskActionStatus
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.control.objects.records import ActionRecord
from taskaction.core.constants import API_VERSION
from taskaction.testing.clock import START

NAMESPACE = "team-a"


def body(
    name: str, uid: str | None = None, status: Body | None = None, *, namespace: str = NAMESPACE, **spec: Any
) -> Body:
    """Give an action as the API server stores it."""
    return {
        "apiVersion": API_VERSION,
        "kind": TASK_ACTIONS.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-of-{name}",
            "creationTimestamp": START.isoformat(),
            "generation": 1,
            "resourceVersion": "1",
        },
        "spec": {"executor": "noop"} | spec,
        "status": status or {"phase": "Queued"},
    }


def recorded(stored: Body) -> ActionRecord:
    """Give the record of an object that has just been seen."""
    action = TaskAction.from_body(stored)
    return ActionRecord(
        action=action,
        status=action.status,
        stored=action.status,
        version=action.metadata.resource_version,
        first_version=int(action.metadata.resource_version),
    )


def live(cluster: FakeCluster, name: str = "one", **spec: Any) -> ActionRecord:
    """Store an action and give its record."""
    return recorded(cluster.store(TASK_ACTIONS, body(name, **spec)))


def stored_status(cluster: FakeCluster, record: ActionRecord) -> TaskActionStatus:
    """Give the status that the API server has."""
    return TaskAction.from_body(cluster.objects[TASK_ACTIONS.plural, record.namespace, record.name]).status


def claim(holder: str = "me", epoch: int = 3, at: datetime = START) -> Claim:
    """Give somebody's claim."""
    return Claim(holder=holder, epoch=epoch, at=at)


def running(message: str = "", *, by: Claim | None = None) -> TaskActionStatus:
    """Give the status of an attempt under way."""
    return TaskActionStatus(phase=Phase.RUNNING, attempt=1, message=message or None, claim=by or claim())
