"""What a call of an executor can end in, as values; the machine decides what follows from them."""

from dataclasses import dataclass
from typing import Any

from taskaction.api.enums import CacheStatus, ErrorKind, Phase, RetryClass
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Link, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The action is done; ``output`` is any JSON value of at most 32 KiB."""

    output: Any = None
    output_uri: str | None = None
    external_id: str | None = None
    message: str = ""
    links: tuple[Link, ...] = ()
    cache_status: CacheStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The action goes on by itself; the executor is polled ``poll_after`` seconds from now.

    ``external_id`` is what the target calls it: once given, a new owner polls instead of executing again.
    ``phase`` is ``Running``, or ``Initializing`` while the target has accepted but not begun.
    """

    poll_after: float
    external_id: str | None = None
    message: str = ""
    progress: Progress | None = None
    links: tuple[Link, ...] = ()
    phase: Phase = Phase.RUNNING
    cache_status: CacheStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The action waits for a person; polled when ``spec.signal`` changes, and after ``poll_after`` seconds if given."""

    message: str
    reason: Reason = Reason.PAUSED
    poll_after: float | None = None
    external_id: str | None = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The attempt failed. ``retry_class`` None means that no retry can help; ``retry_after`` is in seconds.

    ``output`` is what the target said of the failure, as JSON: it is kept where the action ends by it.
    """

    code: str
    message: str
    kind: ErrorKind = ErrorKind.USER
    retry_class: RetryClass | None = RetryClass.ERROR
    retry_after: float | None = None
    output: Any = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """Nothing was started: the target's limit is reached, and is renewed in ``retry_after`` seconds.

    ``key`` names the quota where an executor knows several: runs with the same one wait together.
    """

    retry_after: float
    message: str = ""
    key: str = ""


Outcome = Succeeded | Pending | Paused | Failed | Limited
