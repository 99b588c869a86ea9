"""Due reports on an action, from its status and the reports already made; pure functions.

Each report comes with the state to record after it. A crash between the two repeats a report and loses none.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import orjson

from taskaction.api.base import format_time
from taskaction.api.enums import LogLevel, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Progress, TaskAction, TaskActionStatus, Transition
from taskaction.core.names import digest

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """Line for the run's log, with the status label from then on."""

    NAME: ClassVar[str] = "Logged"
    level: LogLevel
    message: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartReport:
    """Links, external id and output so far of a run that has started."""

    NAME: ClassVar[str] = "Started"
    links: tuple[str, ...]
    external_id: str | None
    label: str
    output: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndReport:
    """Result of a run that has ended; ``phase`` is terminal."""

    NAME: ClassVar[str] = "Ended"
    phase: Phase
    summary: str
    own_label: str | None = None
    links: tuple[str, ...] = ()
    output: Any = None

    @property
    def label(self) -> str:
        """Status label of the run."""
        return self.own_label or _LABELS[self.phase]


Report = LogReport | StartReport | EndReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedState:
    """Reports that Port has, as an annotation stores them.

    Attributes:
        logged: last phase transition that was processed.
        lines: attempt and number of the last line of the executor's log.
        followed: reported links, external id, label and a digest of the output so far.
        ended: reported end of the run, with Port's verdict if it refused the report.
    """

    logged: str = ""
    lines: str = ""
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
        return cls(**{name: str(content.get(name) or "") for name in ("logged", "lines", "followed", "ended")})

    def to_text(self) -> str:
        """Return the value of the annotation."""
        content = {"logged": self.logged, "lines": self.lines, "followed": self.followed, "ended": self.ended}
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
    for line, mark in _unreported_lines(status, reported.lines):
        reported = replace(reported, lines=mark)
        yield line, reported
    links, progress = tuple(link.url for link in status.links), status.progress or Progress()
    followed = "\n".join((status.external_id or "", *links, *_followed_progress(progress))).strip()
    if followed and followed != reported.followed:
        reported = replace(reported, followed=followed)
        label = progress.label or _label(status.phase, status.reason)
        yield (
            StartReport(links=links, external_id=status.external_id, label=label, output=progress.output),
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
        output=status.output if status.output_digest is None else _stored_output(status),
        own_label=status.progress.label if status.progress is not None else None,
    )


def _stored_output(status: TaskActionStatus) -> dict[str, Any]:
    """Return where the output is: Port takes no megabytes, and the agent has no storage."""
    return {"outputUri": status.output_uri, "outputSize": status.output_size}


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


def _unreported_lines(status: TaskActionStatus, mark: str) -> Iterator[tuple[LogReport, str]]:
    """Yield the lines of the executor's log after the last reported one, and how many are no longer there."""
    progress = status.progress or Progress()
    label = progress.label or _label(status.phase, status.reason)
    attempt, _, last = mark.partition(":")
    reported = int(last) if attempt == str(status.attempt) and last.isdecimal() else 0
    for line in progress.log or ():
        if line.number <= reported:
            continue
        here = f"{status.attempt}:{line.number}"
        if line.number > reported + 1:
            missing = f"{line.number - reported - 1} earlier lines were not kept"
            yield LogReport(level=LogLevel.WARN, message=missing, label=label), f"{status.attempt}:{line.number - 1}"
        reported = line.number
        yield LogReport(level=line.level, message=line.message, label=label), here


def _followed_progress(progress: Progress) -> Iterator[str]:
    if progress.label is not None:
        yield progress.label
    if progress.output is not None:
        yield digest(orjson.dumps(progress.output, option=orjson.OPT_SORT_KEYS))


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
    return LogReport(level=LogLevel.WARN if held_back else LogLevel.INFO, message=message, label=_label(phase, reason))


def _label(phase: Phase, reason: str | None) -> str:
    return _LABELS_BY_REASON.get(reason or "", _LABELS[phase])


def _summary(status: TaskActionStatus) -> str:
    message = status.message or ""
    if status.phase is Phase.SUCCEEDED:
        return message or "succeeded"
    return f"{status.reason or status.phase}: {message}" if message else str(status.reason or status.phase)
