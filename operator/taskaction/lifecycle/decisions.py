"""Decisions of the machine as data: the status to write and the effects to start."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, auto

from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskActionStatus
from taskaction.lifecycle.outcomes import Failed


class Write(IntEnum):
    """When the status must reach the API server; a greater value is more urgent."""

    NONE = auto()  # nothing changed
    LATER = auto()  # after ``settings.status_delay``, unless a newer status replaces it
    NOW = auto()  # immediately; effects do not wait for it
    FIRST = auto()  # immediately; effects start only when it is durable


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Add the finalizer, before the claim and the call."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Remove the finalizer, after the terminal status is durable."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Set the ownerReference to the parent; nothing may start before it is durable."""


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Put the action into the queue for a worker."""


@dataclass(frozen=True, slots=True)
class Dequeue:
    """Remove the action from the queue."""


@dataclass(frozen=True, slots=True)
class Park:
    """Wait without a worker for the target's quota ``key``, which should be renewed at ``at``."""

    at: datetime
    key: str


@dataclass(frozen=True, slots=True)
class Call:
    """Call the executor: ``execute``, or ``poll`` for work that was started before."""

    poll: bool


@dataclass(frozen=True, slots=True)
class PollAt:
    """Put the action into the queue at this time, to poll."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the executor, and wait for it until ``bound``; then the attempt ends with ``failure`` if it has one."""

    bound: datetime
    failure: Failed | None = None


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Reconcile the action again at this time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class ExpireAt:
    """Delete the finished object at this time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """Record a Kubernetes Event, after the status is durable."""

    warning: bool
    reason: Reason | str
    message: str


Effect = (
    AddFinalizer
    | RemoveFinalizer
    | Adopt
    | Enqueue
    | Dequeue
    | Park
    | Call
    | PollAt
    | Cancel
    | WakeAt
    | ExpireAt
    | RecordEvent
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The new status, when to write it, and the effects to start, in order."""

    status: TaskActionStatus
    write: Write = Write.NONE
    effects: tuple[Effect, ...] = ()
