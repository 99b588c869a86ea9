"""When an action is out of time; pure arithmetic over its records."""

from datetime import datetime, timedelta

from taskaction.lifecycle.state import Observed

_LONGEST_WAIT_SECONDS = 365 * 86_400.0


def later(now: datetime, seconds: float) -> datetime:
    """Give the moment ``seconds`` from now, within a year: what an executor says may be no number of sense."""
    return now + timedelta(seconds=min(max(0.0, seconds), _LONGEST_WAIT_SECONDS))


def suspended_for(observed: Observed, now: datetime) -> timedelta:
    """Give how long the action has been suspended in all: ``queued`` and ``total`` stand still meanwhile."""
    status = observed.status
    before = timedelta(seconds=status.suspended_seconds or 0.0)
    return before if status.suspended_at is None else before + max(now - status.suspended_at, timedelta())


def queued_deadline(observed: Observed, now: datetime) -> datetime | None:
    """Give when the first attempt must have started, None without a bound or after the first start."""
    if observed.policy.queued is None or observed.status.started_at is not None:
        return None
    return observed.created + observed.policy.queued + suspended_for(observed, now)


def total_deadline(observed: Observed, now: datetime) -> datetime | None:
    """Give when the action must have ended, None without a bound."""
    if observed.policy.total is None:
        return None
    return observed.created + observed.policy.total + suspended_for(observed, now)


def attempt_deadline(observed: Observed) -> datetime | None:
    """Give when the running attempt must have ended, None without a bound or without an attempt."""
    status = observed.status
    if observed.policy.attempt is None or not status.phase.started or not status.attempts:
        return None
    return status.attempts[-1].started_at + observed.policy.attempt


def start_deadline(observed: Observed) -> datetime | None:
    """Give ``spec.notAfter``, as long as the action has never started."""
    return None if observed.status.started_at is not None else observed.spec.not_after


def call_deadline(observed: Observed, now: datetime) -> datetime | None:
    """Give when the executor will be told to stop, the earlier of the attempt's and the whole action's bound."""
    bounds = [bound for bound in (attempt_deadline(observed), total_deadline(observed, now)) if bound is not None]
    return min(bounds, default=None)


def next_deadline(observed: Observed, now: datetime) -> datetime | None:
    """Give the next moment at which a bound fires, so that somebody looks then."""
    standing_still = observed.status.suspended_at is not None
    candidates = [attempt_deadline(observed), start_deadline(observed)]
    if not standing_still:
        candidates += [queued_deadline(observed, now), total_deadline(observed, now)]
    return min((bound for bound in candidates if bound is not None), default=None)
