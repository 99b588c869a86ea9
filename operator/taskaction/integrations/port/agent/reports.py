"""What Port has yet to be told of an action: from its status and from what was told already; pure.

Each report comes with the note that says it was made. A crash between the two repeats a report and loses none.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import orjson

from taskaction.api.base import format_time
from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskAction, TaskActionStatus, Transition

DELETED_MESSAGE = "the TaskAction was deleted before it ended"
_QUIET = frozenset({Reason.SUSPENDED, Reason.QUEUED, None, ""})
_LABELS = {
    Phase.QUEUED: "Queued",
    Phase.WAITING_FOR_RESOURCES: "Waiting",
    Phase.INITIALIZING: "Starting",
    Phase.RUNNING: "Running",
    Phase.PAUSED: "Paused",
    Phase.SUCCEEDED: "Succeeded",
    Phase.FAILED: "Execution failed",
    Phase.ABORTED: "Aborted",
    Phase.TIMED_OUT: "Timed out",
}
"""Two words at most: Port shows them as a label. The failure's is Ocean's own."""
_LABELS_BY_REASON = {str(Reason.RATE_LIMITED): "Rate limited", str(Reason.BACKING_OFF): "Retrying"}


class Level(StrEnum):
    """How serious a line of a run's log is."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A line for the run's log, and the label that it shows from then on."""

    level: Level
    message: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Where the run can be followed outside."""

    links: tuple[str, ...]
    external_id: str | None
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the run ended; ``phase`` is terminal."""

    phase: Phase
    summary: str
    links: tuple[str, ...] = ()
    output: Any = None

    @property
    def label(self) -> str:
        """What the run shows from then on."""
        return _LABELS[self.phase]


Report = Logged | Started | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What Port was told, as an annotation keeps it.

    Attributes:
        logged: the last change of phase that was looked at.
        followed: the links and the id outside that were told.
        ended: how the run ended, the server's own word where it knew better.
    """

    logged: str = ""
    followed: str = ""
    ended: str = ""

    @classmethod
    def from_text(cls, text: str) -> "Reported":
        """Read the annotation; what makes no sense counts as nothing told, since telling twice does no harm."""
        try:
            said = orjson.loads(text)
        except orjson.JSONDecodeError:
            return cls()
        if not isinstance(said, dict):
            return cls()
        return cls(**{name: str(said.get(name) or "") for name in ("logged", "followed", "ended")})

    def to_text(self) -> str:
        """Give the annotation."""
        said = {"logged": self.logged, "followed": self.followed, "ended": self.ended}
        return orjson.dumps({name: value for name, value in said.items() if value}).decode()


def due(action: TaskAction, reported: Reported) -> Iterator[tuple[Report, Reported]]:
    """Give each report that is due, in its order, and what is reported after it."""
    if reported.ended:
        return
    status = action.status
    for transition in _unlogged(status, reported.logged):
        reported = replace(reported, logged=_mark(transition))
        line = _line(transition, ended=status.phase.terminal)
        if line is not None:
            yield line, reported
    links = tuple(link.url for link in status.links)
    followed = "\n".join((status.external_id or "", *links)).strip()
    if followed and followed != reported.followed:
        reported = replace(reported, followed=followed)
        yield Started(links=links, external_id=status.external_id, label=_label(status.phase, status.reason)), reported
    if status.phase.terminal:
        yield ended(status), replace(reported, ended=str(status.phase))


def ended(status: TaskActionStatus) -> Ended:
    """Give the last report of an action whose phase is terminal."""
    return Ended(
        phase=status.phase,
        summary=_summary(status),
        links=tuple(link.url for link in status.links),
        output=status.output,
    )


def deleted() -> Ended:
    """Give the last report of an action that vanished before anybody saw its end."""
    return Ended(phase=Phase.ABORTED, summary=f"{Reason.DELETED}: {DELETED_MESSAGE}")


def _unlogged(status: TaskActionStatus, logged: str) -> tuple[Transition, ...]:
    """Give the changes of phase after the one that was looked at last; only the last few are kept in a status."""
    history = status.history
    for index in range(len(history) - 1, -1, -1):
        if _mark(history[index]) == logged:
            return history[index + 1 :]
    since = logged.partition(" ")[0]
    return tuple(transition for transition in history if format_time(transition.at) >= since)


def _mark(transition: Transition) -> str:
    return f"{format_time(transition.at)} {transition.phase} {transition.reason}"


def _line(transition: Transition, *, ended: bool) -> Logged | None:
    """Give what is said of a change of phase; the last one is the end itself, and what is over needs few words."""
    phase, reason = transition.phase, transition.reason
    if phase.terminal or (ended and not transition.message):
        return None
    if phase is Phase.QUEUED and reason in _QUIET:
        return None
    message = transition.message or reason or str(phase)
    held_back = phase in {Phase.QUEUED, Phase.WAITING_FOR_RESOURCES}
    return Logged(level=Level.WARN if held_back else Level.INFO, message=message, label=_label(phase, reason))


def _label(phase: Phase, reason: str | None) -> str:
    return _LABELS_BY_REASON.get(reason or "", _LABELS[phase])


def _summary(status: TaskActionStatus) -> str:
    message = status.message or ""
    if status.phase is Phase.SUCCEEDED:
        return message or "succeeded"
    return f"{status.reason or status.phase}: {message}" if message else str(status.reason or status.phase)
