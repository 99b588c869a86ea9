"""Status of an action that waits, and how soon it must be written; pure."""

from datetime import datetime

from taskaction.api.base import format_time
from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskActionStatus
from taskaction.lifecycle.decisions import Write
from taskaction.lifecycle.gates import SHOWN_WHILE_HELD, StartGate
from taskaction.lifecycle.state import Observed
from taskaction.lifecycle.statuses import Change, apply_change


def waiting_status(observed: Observed, held_back: StartGate | None, now: datetime) -> tuple[TaskActionStatus, Write]:
    """Return the status of an action that waits; a new action keeps the schema's default, which needs no write."""
    status = observed.status
    if held_back is not None:
        after = _gated_status(observed, held_back, now)
        return after, Write.NONE if after is status else Write.NOW
    if observed.queue_full is not None:
        after = _resource_wait_status(observed, Reason.QUEUE_FULL, observed.queue_full.message, now)
    elif observed.limited_until is not None and observed.limited_until > now:
        after = rate_limited_status(observed, observed.limited_until, "provider rate limit reached", now)
    elif status.reason == Reason.QUEUE_FULL or status.reason in SHOWN_WHILE_HELD:
        after = _queued_status(observed, now)  # most start soon, and then this costs no write
    else:
        return status, Write.NONE
    return after, Write.NONE if after is status else Write.LATER


def rate_limited_status(observed: Observed, until: datetime, message: str, now: datetime) -> TaskActionStatus:
    """Return the status of an action that waits for a rate limit; unchanged until the time in the status has passed.

    A target that returns a slightly different time with every response must not cost a write each time; see
    docs/porting-from-ocean.md#d6.
    """
    status = observed.status
    if status.reason == Reason.RATE_LIMITED and status.next_attempt_at is not None and status.next_attempt_at > now:
        return status
    return _resource_wait_status(
        observed, Reason.RATE_LIMITED, f"{message} until {format_time(until)}", now, next_attempt_at=until
    )


def _gated_status(observed: Observed, held_back: StartGate, now: datetime) -> TaskActionStatus:
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
        return apply_change(status, change, next_attempt_at=None)
    return apply_change(status, change)


def _queued_status(observed: Observed, now: datetime) -> TaskActionStatus:
    change = Change(phase=Phase.QUEUED, reason=Reason.QUEUED, message="", now=now, generation=observed.generation)
    return apply_change(observed.status, change)


def _resource_wait_status(
    observed: Observed, reason: Reason, message: str, now: datetime, **fields: object
) -> TaskActionStatus:
    change = Change(
        phase=Phase.WAITING_FOR_RESOURCES, reason=reason, message=message, now=now, generation=observed.generation
    )
    return apply_change(observed.status, change, **fields)
