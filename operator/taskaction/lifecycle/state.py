"""Input of the machine: the facts about an action in one value, and the events of an action."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

from taskaction.api.enums import CacheStatus, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Address, TaskActionSpec, TaskActionStatus
from taskaction.lifecycle.outcomes import Failed, Outcome
from taskaction.lifecycle.policy import Policy
from taskaction.lifecycle.traits import Traits


class Activity(Enum):
    """What this process does for the action; the only fact that is lost with the process."""

    __hash__ = object.__hash__  # that of Enum is a call in Python, and each action needs a dozen

    IDLE = auto()  # nothing: new, not allowed to start, or after a restart
    QUEUED = auto()  # waits for a worker
    PARKED = auto()  # waits for the renewal of a quota of its target
    CALLING = auto()  # a worker is in execute or poll
    WAITING = auto()  # continues outside, or waits for a person; polled later
    CANCELLING = auto()  # the executor is being cancelled

    @property
    def is_under_way(self) -> bool:
        """Whether an attempt is running, here or outside."""
        return self in {Activity.CALLING, Activity.WAITING}


class Parent(Enum):
    """State of the relation to the parent."""

    __hash__ = object.__hash__  # see Activity

    NONE = auto()
    LOOKED_UP = auto()  # not known yet: nothing may start
    FOUND = auto()  # exists, but the ownerReference is not set yet
    OWNER = auto()  # the ownerReference is set
    MISSING = auto()
    FINISHED = auto()  # finished before this action was adopted


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortFact:
    """Why the action must end: its own abort or deletion, or that of an ancestor."""

    reason: Reason
    message: str
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """Obstacle to the start of an attempt; ``final`` if waiting cannot help."""

    reason: Reason
    message: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFull:
    """Full queue: the action waits in the backlog, or is refused."""

    message: str
    refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """This process as the owner of the action's shard, as its claims name it."""

    holder: str
    epoch: int


class Observed(NamedTuple):
    """Everything a decision may depend on.

    A named tuple, since each action needs several: a frozen dataclass takes three times as long to create.

    Attributes:
        status: the latest status in this process: written, or about to be written.
        traits_known: the executor of the action is known, so that ``traits`` are its own.
        is_validating: the validation of the parameters has not ended.
        has_finalizer: the object has the operator's finalizer.
        queue_full: the queue of its provider is full.
        limited_until: when the rate limit of its provider allows the start; an estimate.
        taken_at: since when the former owner of the attempt has been gone.
        lost_call: a former owner may have called the executor for this attempt, or for one that it has not recorded,
            and nothing that the call returned is on record.
        is_storing: the attempt has ended, and its output is being stored.
        signalled: ``spec.signal`` differs from what the executor was last polled with.
        parameters_hash: the fingerprint of the current parameters.
        key_base: what the idempotency keys of attempts begin with if the action names one; see ``idempotency``.
        partition_key: the partition key of the action, wherever it comes from.
        jitter: a random number in [0, 1), for jitter.
    """

    spec: TaskActionSpec
    status: TaskActionStatus
    generation: int
    created: datetime
    policy: Policy
    traits: Traits
    owner: Owner
    traits_known: bool = True
    activity: Activity = Activity.IDLE
    has_finalizer: bool = False
    abort: AbortFact | None = None
    parent: Parent = Parent.NONE
    blocker: Blocker | None = None
    is_validating: bool = False
    queue_full: QueueFull | None = None
    limited_until: datetime | None = None
    taken_at: datetime | None = None
    lost_call: bool = False
    is_storing: bool = False
    signalled: bool = False
    parameters_hash: str | None = None
    key_base: str | None = None
    partition_key: str | None = None
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Reconcile: the object is new or changed, a timer fired, or the process has just started."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A worker is free for the action."""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call of the executor has ended."""

    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelEnded:
    """The executor confirmed a cancel, or its deadline has passed.

    Attributes:
        external_id: the target's id of what a lost call had started; None if none was found or looked for.
        problem: why work may continue outside; empty if the executor confirmed.
        failure: why the attempt was given up; None if it was cancelled for another reason.
    """

    external_id: str | None = None
    problem: str = ""
    failure: Failed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptReport:
    """Report from outside about an attempt.

    Attributes:
        attempt: the number of the attempt; a number beyond the current one was started outside.
        phase: the reported phase; None if the report has none.
        by: the sender of the report.
    """

    attempt: int
    phase: Phase | None = None
    cache_status: CacheStatus | None = None
    address: Address | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class ReportReceived:
    """Reports from outside about the running attempt, oldest first."""

    reports: tuple[AttemptReport, ...]


Event = Reconcile | Slot | CallEnded | CancelEnded | ReportReceived
