"""What follows from an event, as data: the status to write and the effects to start; nothing here does anything."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, auto

from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskActionStatus


class Write(IntEnum):
    """When the status must reach the API server; the greater, the more urgent."""

    NONE = auto()  # nothing changed
    LATER = auto()  # after ``settings.status_delay``, unless a newer status comes first
    NOW = auto()  # at once; effects do not wait for it
    FIRST = auto()  # at once, and the effects start only when it is durable


@dataclass(frozen=True, slots=True)
class Hold:
    """Add the finalizer; before the claim and the call."""


@dataclass(frozen=True, slots=True)
class Release:
    """Remove the finalizer; after the terminal status is durable."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Make the parent an ownerReference; nothing may start before it is durable."""


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Ask for a worker."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take the action out of the queue."""


@dataclass(frozen=True, slots=True)
class Park:
    """Wait, without a worker, for a quota of the target; ``at`` is when it should be renewed, ``key`` which it is."""

    at: datetime
    key: str


@dataclass(frozen=True, slots=True)
class Call:
    """Call the executor: ``execute``, or ``poll`` for what was started before."""

    poll: bool


@dataclass(frozen=True, slots=True)
class PollAt:
    """Ask for a worker at this time, to poll."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Cancel:
    """Tell the executor to stop, and give up waiting for it at ``bound``."""

    bound: datetime


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Look again at this time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class ExpireAt:
    """Delete the finished object at this time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Tell:
    """Emit a Kubernetes Event, after the status is durable."""

    warning: bool
    reason: Reason | str
    message: str


Effect = Hold | Release | Adopt | Enqueue | Withdraw | Park | Call | PollAt | Cancel | WakeAt | ExpireAt | Tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The status as it is to be, when to write it, and what to start, in order."""

    status: TaskActionStatus
    write: Write = Write.NONE
    effects: tuple[Effect, ...] = ()
