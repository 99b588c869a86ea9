"""Outcomes of a call of an executor, as values; the machine decides about them."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from taskaction.api.enums import CacheStatus, ErrorKind, Phase, RetryClass
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Link, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputReference:
    """Output that is not in the object.

    Attributes:
        size: its size as JSON in bytes.
        uri: the file that holds it, and ``digest`` the digest of the content; None if the output was too large to keep.
    """

    size: int
    uri: str | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The action succeeded.

    ``output`` is any JSON value. If it does not fit into the object, the engine stores it, and sets ``output_at``.
    """

    output: Any = None
    output_at: OutputReference | None = None
    output_uri: str | None = None
    external_id: str | None = None
    message: str = ""
    links: tuple[Link, ...] = ()
    cache_status: CacheStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The action continues outside; the executor is polled in ``poll_after`` seconds.

    ``external_id`` is the target's id: once it is known, a new owner polls instead of executing again.
    ``phase`` is ``Running``, or ``Initializing`` while the target has accepted the work but not started it; None if
    nothing new is known. ``waits``: the target has no room for the work yet. ``output`` is what the target says of the
    work so far, as JSON of at most 32 KiB; it stays in the status if the action ends without a later one.
    """

    poll_after: float
    external_id: str | None = None
    message: str = ""
    progress: Progress | None = None
    links: tuple[Link, ...] = ()
    phase: Phase | None = Phase.RUNNING
    waits: bool = False
    cache_status: CacheStatus | None = None
    output: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The action waits for a person; polled when ``spec.signal`` changes, and after ``poll_after`` seconds if set.

    ``output`` is what the target says of the work so far, as in ``Pending``.
    """

    message: str
    reason: Reason = Reason.PAUSED
    poll_after: float | None = None
    external_id: str | None = None
    links: tuple[Link, ...] = ()
    output: Any = None


class Work(Enum):
    """What a failure says about the work that its attempt has started, or may have started."""

    ENDED = auto()  # it has ended, or none was started
    UNCHANGED = auto()  # nothing new: it continues if it continued before the call
    UNKNOWN = auto()  # it may have been started, or may continue


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The attempt failed. ``retry_class`` is None if a retry cannot help; ``retry_after`` is in seconds.

    ``output`` is the target's description of the failure, as JSON; it is kept if the failure ends the action. The
    engine sets ``output_at`` as for a success.

    ``work`` is about what the attempt has left outside: the engine cancels what may continue, and then records the
    failure, so that no other attempt runs next to it.
    """

    code: str
    message: str
    kind: ErrorKind = ErrorKind.USER
    retry_class: RetryClass | None = RetryClass.ERROR
    retry_after: float | None = None
    output: Any = None
    output_at: OutputReference | None = None
    external_id: str | None = None
    work: Work = Work.ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """Nothing was started, because the target's limit is reached; it is renewed in ``retry_after`` seconds.

    ``key`` names the quota if an executor has several: runs with the same key wait together.
    """

    retry_after: float
    message: str = ""
    key: str = ""


Outcome = Succeeded | Pending | Paused | Failed | Limited


def names_work(outcome: Outcome) -> bool:
    """Whether the outcome of a call says what the attempt has started, so that nothing of it is lost any more."""
    return isinstance(outcome, Paused) or (isinstance(outcome, Pending) and outcome.phase is not None)
