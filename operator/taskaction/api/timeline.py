"""Timeline of an action or run, from its object: phase transitions, attempts and the log of a run; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from taskaction.api.bodies import at, parse_time
from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Entry of a timeline."""

    at: str
    word: str
    text: str

    @property
    def sort_key(self) -> tuple[datetime, bool]:
        """Sort key: entries whose time has no fraction of a second come first within their second."""
        then = parse_time(self.at) or datetime.min.replace(tzinfo=UTC)
        return then, then.microsecond != 0


def read_timeline(body: Body) -> list[TimelineEntry]:
    """Return the timeline in an object's status, in order of time."""
    status = body.get("status") or {}
    entries = [TimelineEntry(at(body, "metadata.creationTimestamp", ""), "Created", "")]
    entries += [
        TimelineEntry(one["at"], one["phase"], _join_text(one.get("reason"), one.get("message")))
        for one in status.get("history") or _start_of_short_success(status)
    ]
    entries += [
        TimelineEntry(one["time"], one["code"], str(at(one, "details.state_name", "")))
        for one in status.get("log") or ()
    ]
    if status.get("finishedAt") and not any(one.get("phase") == status["phase"] for one in status.get("history") or ()):
        entries.append(
            TimelineEntry(
                status["finishedAt"], status["phase"], _join_text(status.get("reason"), status.get("message"))
            )
        )
    return sorted(entries, key=lambda one: one.sort_key)


def read_attempts(body: Body) -> list[Body]:
    """Return the attempts in the status of an action; that of a short success follows from its other fields."""
    status = body.get("status") or {}
    only = [{"number": status.get("attempt"), "phase": status["phase"]}] if _is_short_success(status) else []
    return list(status.get("attempts") or only)


def merge_entries(entries: Iterable[TimelineEntry]) -> list[TimelineEntry]:
    """Return entries without duplicates, in order of time."""
    return sorted(dict.fromkeys(entries), key=lambda one: one.sort_key)


def _start_of_short_success(status: Body) -> list[Body]:
    """Return the start of an action whose status has no history, because it only started and succeeded."""
    start = {"at": status.get("startedAt"), "phase": Phase.RUNNING, "reason": Reason.EXECUTING}
    return [start] if _is_short_success(status) else []


def _is_short_success(status: Body) -> bool:
    return status.get("phase") == Phase.SUCCEEDED and bool(status.get("startedAt") and status.get("attempt"))


def _join_text(reason: str | None, message: str | None) -> str:
    return ": ".join(part for part in (reason, " ".join((message or "").split())) if part)
