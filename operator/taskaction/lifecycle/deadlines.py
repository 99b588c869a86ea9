"""Deadlines of an action; pure arithmetic over its records."""

from datetime import datetime, timedelta

from taskaction.lifecycle.state import Observed

_LONGEST_WAIT_SECONDS = 365 * 86_400.0


def add_seconds(now: datetime, seconds: float) -> datetime:
    """Return the time ``seconds`` from now, at most one year: executors may return absurd values."""
    return now + timedelta(seconds=min(max(0.0, seconds), _LONGEST_WAIT_SECONDS))


def suspended_duration(observed: Observed, now: datetime) -> timedelta:
    """Return the total time of suspension, which does not count towards ``queued`` and ``total``."""
    status = observed.status
    before = timedelta(seconds=status.suspended_seconds or 0.0)
    return before if status.suspended_at is None else before + max(now - status.suspended_at, timedelta())


def queued_deadline(observed: Observed, now: datetime) -> datetime | None:
    """Return when the first attempt must have started; None without a timeout or after the first start."""
    if observed.policy.queued is None or observed.status.started_at is not None:
        return None
    return observed.created + observed.policy.queued + suspended_duration(observed, now)


def total_deadline(observed: Observed, now: datetime) -> datetime | None:
    """Return when the action must have ended; None without a timeout, or while its output is being stored."""
    if observed.policy.total is None or observed.is_storing:
        return None
    return observed.created + observed.policy.total + suspended_duration(observed, now)


def attempt_deadline(observed: Observed) -> datetime | None:
    """Return when the running attempt must have ended; None without a timeout, or if no attempt is running."""
    status = observed.status
    if observed.is_storing or observed.policy.attempt is None or not status.phase.is_started or not status.attempts:
        return None
    return status.attempts[-1].started_at + observed.policy.attempt


def running_deadline(observed: Observed) -> datetime | None:
    """Return when the work of the attempt must have ended; None without a timeout, or while the work does not run."""
    status, limit = observed.status, observed.policy.running
    if limit is None or not status.phase.is_started or not status.attempts:
        return None
    attempt = status.attempts[-1]
    since = attempt.running_at if observed.traits.reports_start else attempt.started_at
    return None if since is None else since + limit


def waiting_deadline(observed: Observed, now: datetime) -> datetime | None:
    """Return when the attempt must have room to run; None without a timeout, or as soon as it has."""
    status, limit = observed.status, observed.policy.waiting
    if limit is None or (status.phase.is_started and not _waits_for_room(observed)):
        return None
    return (status.queued_at or observed.created) + limit + suspended_duration(observed, now)


def _waits_for_room(observed: Observed) -> bool:
    """Whether the target has no room for the running attempt yet, as far as its executor reports that."""
    attempts = observed.status.attempts
    return observed.traits.reports_start and bool(attempts) and attempts[-1].initializing_at is None


def expired_bound(observed: Observed, now: datetime) -> str | None:
    """Return which of the timeouts of one attempt has expired: attempt, running or waiting; None if none has."""
    bounds = {
        "attempt": attempt_deadline(observed),
        "running": running_deadline(observed),
        "waiting": None if observed.status.suspended_at is not None else waiting_deadline(observed, now),
    }
    return next((name for name, at in bounds.items() if at is not None and at <= now), None)


def start_deadline(observed: Observed) -> datetime | None:
    """Return ``spec.notAfter`` until the first start, then None."""
    return None if observed.status.started_at is not None else observed.spec.not_after


def call_deadline(observed: Observed, now: datetime) -> datetime | None:
    """Return when the executor will be cancelled: the earliest deadline of the attempt's and the action's."""
    bounds = (attempt_deadline(observed), running_deadline(observed), total_deadline(observed, now))
    return min((bound for bound in bounds if bound is not None), default=None)


def next_deadline(observed: Observed, now: datetime) -> datetime | None:
    """Return the next deadline, at which the action must be reconciled."""
    standing_still = observed.status.suspended_at is not None
    candidates = [attempt_deadline(observed), running_deadline(observed), start_deadline(observed)]
    if not standing_still:
        candidates += [
            queued_deadline(observed, now),
            waiting_deadline(observed, now),
            total_deadline(observed, now),
        ]
    return min((bound for bound in candidates if bound is not None), default=None)
