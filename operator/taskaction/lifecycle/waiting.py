"""Status of an action that waits, and how soon it must be written; pure."""

from datetime import datetime

from taskaction.api.base import format_time
from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskActionStatus
from taskaction.lifecycle.decisions import Write
from taskaction.lifecycle.gates import SHOWN_WHILE_HELD, Gate
from taskaction.lifecycle.state import Observed
from taskaction.lifecycle.statuses import Change, changed


def shown(observed: Observed, held_back: Gate | None, now: datetime) -> tuple[TaskActionStatus, Write]:
    """Return the status of an action that waits; a new action keeps the schema's default, which needs no write."""
    status = observed.status
    if held_back is not None:
        after = _held_back(observed, held_back, now)
        return after, Write.NONE if after is status else Write.NOW
    if observed.crowded is not None:
        after = _waits(observed, Reason.QUEUE_FULL, observed.crowded.message, now)
    elif observed.limited_until is not None and observed.limited_until > now:
        after = limit_shown(observed, observed.limited_until, "provider rate limit reached", now)
    elif status.reason == Reason.QUEUE_FULL:
        after = _queued(observed, now)
    elif status.reason in SHOWN_WHILE_HELD:
        return _queued(observed, now), Write.NOW
    else:
        return status, Write.NONE
    return after, Write.NONE if after is status else Write.LATER


def limit_shown(observed: Observed, until: datetime, message: str, now: datetime) -> TaskActionStatus:
    """Return the status of an action that waits for a rate limit; unchanged until the time in the status has passed.

    A target that returns a slightly different time with every response must not cost a write each time; see
    docs/porting-from-ocean.md#d6.
    """
    status = observed.status
    if status.reason == Reason.RATE_LIMITED and status.next_attempt_at is not None and status.next_attempt_at > now:
        return status
    return _waits(observed, Reason.RATE_LIMITED, f"{message} until {format_time(until)}", now, next_attempt_at=until)


def _held_back(observed: Observed, held_back: Gate, now: datetime) -> TaskActionStatus:
    status = observed.status
    if held_back.reason is None:
        return status
    change = Change(
        phase=held_back.phase,
        reason=held_back.reason,
        message=held_back.message,
        now=now,
        generation=observed.generation,
    )
    if status.reason == Reason.RATE_LIMITED:  # that time was only an estimate
        return changed(status, change, next_attempt_at=None)
    return changed(status, change)


def _queued(observed: Observed, now: datetime) -> TaskActionStatus:
    change = Change(phase=Phase.QUEUED, reason=Reason.QUEUED, message="", now=now, generation=observed.generation)
    return changed(observed.status, change)


def _waits(observed: Observed, reason: Reason, message: str, now: datetime, **fields: object) -> TaskActionStatus:
    change = Change(
        phase=Phase.WAITING_FOR_RESOURCES, reason=reason, message=message, now=now, generation=observed.generation
    )
    return changed(observed.status, change, **fields)
