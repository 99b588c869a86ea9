"""Due reports on an action, from its status and the reports already made; pure functions.

Each report comes with the state to record after it. A crash between the two repeats a report and loses none.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar

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
"""Status labels that Port shows, at most two words. "Execution failed" is the label that Ocean uses."""
_LABELS_BY_REASON = {str(Reason.RATE_LIMITED): "Rate limited", str(Reason.BACKING_OFF): "Retrying"}


class RunLogLevel(StrEnum):
    """Level of a line in a run's log."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """Line for the run's log, with the status label from then on."""

    NAME: ClassVar[str] = "Logged"
    level: RunLogLevel
    message: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartReport:
    """Links and external id of a run that has started."""

    NAME: ClassVar[str] = "Started"
    links: tuple[str, ...]
    external_id: str | None
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndReport:
    """Result of a run that has ended; ``phase`` is terminal."""

    NAME: ClassVar[str] = "Ended"
    phase: Phase
    summary: str
    links: tuple[str, ...] = ()
    output: Any = None

    @property
    def label(self) -> str:
        """Status label of the run."""
        return _LABELS[self.phase]


Report = LogReport | StartReport | EndReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedState:
    """Reports that Port has, as an annotation stores them.

    Attributes:
        logged: last phase transition that was processed.
        followed: reported links and external id.
        ended: reported end of the run, with Port's verdict if it refused the report.
    """

    logged: str = ""
    followed: str = ""
    ended: str = ""

    @classmethod
    def from_text(cls, text: str) -> "ReportedState":
        """Parse the annotation; an invalid one counts as nothing reported, because a repeated report is harmless."""
        try:
            content = orjson.loads(text)
        except orjson.JSONDecodeError:
            return cls()
        if not isinstance(content, dict):
            return cls()
        return cls(**{name: str(content.get(name) or "") for name in ("logged", "followed", "ended")})

    def to_text(self) -> str:
        """Return the value of the annotation."""
        content = {"logged": self.logged, "followed": self.followed, "ended": self.ended}
        return orjson.dumps({name: value for name, value in content.items() if value}).decode()


def due_reports(action: TaskAction, reported: ReportedState) -> Iterator[tuple[Report, ReportedState]]:
    """Yield each due report in order, with the state after it."""
    if reported.ended:
        return
    status = action.status
    for transition in _unlogged_transitions(status, reported.logged):
        reported = replace(reported, logged=_mark(transition))
        line = _log_report(transition, ended=status.phase.is_terminal)
        if line is not None:
            yield line, reported
    links = tuple(link.url for link in status.links)
    followed = "\n".join((status.external_id or "", *links)).strip()
    if followed and followed != reported.followed:
        reported = replace(reported, followed=followed)
        yield (
            StartReport(links=links, external_id=status.external_id, label=_label(status.phase, status.reason)),
            reported,
        )
    if status.phase.is_terminal:
        yield end_report(status), replace(reported, ended=str(status.phase))


def end_report(status: TaskActionStatus) -> EndReport:
    """Return the last report of an action whose phase is terminal."""
    return EndReport(
        phase=status.phase,
        summary=_summary(status),
        links=tuple(link.url for link in status.links),
        output=status.output,
    )


def deletion_report() -> EndReport:
    """Return the last report of an action that was deleted before the agent saw its end."""
    return EndReport(phase=Phase.ABORTED, summary=f"{Reason.DELETED}: {DELETED_MESSAGE}")


def _unlogged_transitions(status: TaskActionStatus, logged: str) -> tuple[Transition, ...]:
    """Return the transitions after the last processed one; a status contains only the latest transitions."""
    history = status.history
    for index in range(len(history) - 1, -1, -1):
        if _mark(history[index]) == logged:
            return history[index + 1 :]
    since = logged.partition(" ")[0]
    return tuple(transition for transition in history if format_time(transition.at) >= since)


def _mark(transition: Transition) -> str:
    return f"{format_time(transition.at)} {transition.phase} {transition.reason}"


def _log_report(transition: Transition, *, ended: bool) -> LogReport | None:
    """Return the log line of a transition; None for the end, and for transitions that carry no information."""
    phase, reason = transition.phase, transition.reason
    if phase.is_terminal or (ended and not transition.message):
        return None
    if phase is Phase.QUEUED and reason in _QUIET:
        return None
    message = transition.message or reason or str(phase)
    held_back = phase in {Phase.QUEUED, Phase.WAITING_FOR_RESOURCES}
    return LogReport(
        level=RunLogLevel.WARN if held_back else RunLogLevel.INFO, message=message, label=_label(phase, reason)
    )


def _label(phase: Phase, reason: str | None) -> str:
    return _LABELS_BY_REASON.get(reason or "", _LABELS[phase])


def _summary(status: TaskActionStatus) -> str:
    message = status.message or ""
    if status.phase is Phase.SUCCEEDED:
        return message or "succeeded"
    return f"{status.reason or status.phase}: {message}" if message else str(status.reason or status.phase)
