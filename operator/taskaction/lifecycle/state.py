"""What the machine judges by: an action's facts gathered into one value, and the events that can happen to it."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from taskaction.api.enums import CacheStatus, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskActionSpec, TaskActionStatus
from taskaction.lifecycle.outcomes import Outcome
from taskaction.lifecycle.policy import Policy
from taskaction.lifecycle.traits import Traits


class Activity(Enum):
    """What this process is doing about the action; the only fact that dies with the process."""

    IDLE = auto()  # nothing: newly seen, held back, or after a restart
    QUEUED = auto()  # waits for a worker
    PARKED = auto()  # waits for a quota of its target to be renewed
    CALLING = auto()  # a worker is in execute or poll
    WAITING = auto()  # goes on outside, or waits for a person; polled later
    CANCELLING = auto()  # the executor was told to stop

    @property
    def goes_on(self) -> bool:
        """True while an attempt is under way, here or outside."""
        return self in {Activity.CALLING, Activity.WAITING}


class Parent(Enum):
    """How the action stands to its parent."""

    NONE = auto()
    LOOKED_UP = auto()  # not known yet: nothing may start
    FOUND = auto()  # alive, and not yet the owner
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
    """What keeps an attempt from starting; ``final`` when waiting cannot help."""

    reason: Reason
    message: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowded:
    """Too many wait already: the action waits outside of the queue, or is refused."""

    message: str
    refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """This process as the owner of the action's shard: what its claims say."""

    holder: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything a decision may depend on.

    Attributes:
        status: as this process knows it: written, or about to be.
        held: the object bears the project's finalizer.
        crowded: the queue of its provider is full.
        limited_until: when the rate of its provider lets it start, as far as that can be told.
        taken_at: when this process first saw the action under another owner's claim.
        signalled: ``spec.signal`` differs from what the executor was last polled with.
        parameters_hash: the fingerprint of the parameters as they are now.
        luck: uniform in [0, 1), for jitter.
    """

    spec: TaskActionSpec
    status: TaskActionStatus
    generation: int
    created: datetime
    policy: Policy
    traits: Traits
    owner: Owner
    activity: Activity = Activity.IDLE
    held: bool = False
    abort: AbortFact | None = None
    parent: Parent = Parent.NONE
    blocker: Blocker | None = None
    crowded: Crowded | None = None
    limited_until: datetime | None = None
    taken_at: datetime | None = None
    signalled: bool = False
    parameters_hash: str | None = None
    luck: float = 0.0


@dataclass(frozen=True, slots=True)
class Look:
    """See what is to be done: the object is new or changed, a timer is due, or the process has just started."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A worker is free for the action."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A call of the executor has ended."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Stopped:
    """The executor confirmed a cancel, or the bound for it has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What somebody outside says of an attempt, who runs it or sees it run.

    Attributes:
        attempt: which one it is about; one beyond the current one has been started outside.
        phase: where it stands; None where nothing is said of that.
        by: who says so.
    """

    attempt: int
    phase: Phase | None = None
    cache_status: CacheStatus | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody outside has reported of the attempt under way; the first report is the oldest."""

    reports: tuple[Report, ...]


Event = Look | Slot | Ended | Stopped | Told
