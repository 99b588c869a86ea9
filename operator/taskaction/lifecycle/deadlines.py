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


def start_deadline(observed: Observed) -> datetime | None:
    """Return ``spec.notAfter`` until the first start, then None."""
    return None if observed.status.started_at is not None else observed.spec.not_after


def call_deadline(observed: Observed, now: datetime) -> datetime | None:
    """Return when the executor will be cancelled: the earlier of the attempt's and the action's deadline."""
    bounds = [bound for bound in (attempt_deadline(observed), total_deadline(observed, now)) if bound is not None]
    return min(bounds, default=None)


def next_deadline(observed: Observed, now: datetime) -> datetime | None:
    """Return the next deadline, at which the action must be reconciled."""
    standing_still = observed.status.suspended_at is not None
    candidates = [attempt_deadline(observed), start_deadline(observed)]
    if not standing_still:
        candidates += [queued_deadline(observed, now), total_deadline(observed, now)]
    return min((bound for bound in candidates if bound is not None), default=None)
