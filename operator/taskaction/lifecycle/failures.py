"""Retry policy: whether a failed attempt is followed by another one."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from taskaction.api.enums import ErrorKind, Phase, RetryClass
from taskaction.api.reasons import Reason
from taskaction.api.task_action import ActionErrorInfo, TaskActionStatus
from taskaction.core.durations import format_duration
from taskaction.lifecycle import deadlines
from taskaction.lifecycle.endings import Ending
from taskaction.lifecycle.outcomes import Failed
from taskaction.lifecycle.policy import Policy
from taskaction.lifecycle.state import Observed
from taskaction.lifecycle.statuses import error_info

_ATTEMPT, _PLATFORM = "attempt", "system failure"
_HOW_TO_RETRY = "; to retry such attempts, add Interrupted to retryPolicy.retryOn"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRetry:
    """Another attempt, not before ``at``; ``phase`` is the recorded phase of the failed one."""

    at: datetime
    phase: Phase
    error: ActionErrorInfo
    message: str


def apply_retry_policy(observed: Observed, outcome: Failed, now: datetime) -> PlannedRetry | Ending:
    """Return the next attempt or the end that the retry policy requires after ``outcome``."""
    error = error_info(outcome.code, outcome.kind, outcome.message)
    late = outcome.retry_class is RetryClass.TIMEOUT or outcome.code == Reason.ATTEMPT_TIMEOUT
    phase = Phase.TIMED_OUT if late else Phase.FAILED
    attempt = max(observed.status.attempt or 0, 1)
    policy = observed.policy
    if outcome.retry_class not in policy.retry_on:
        return _end(phase, error, error.message)
    tried, limit, what = _budget(observed, attempt, outcome.kind)
    if tried > limit:
        return _end(phase, error, error.message + (f" ({what} {tried} of {limit + 1})" if limit else ""))
    delay = max(policy.backoff.delay(attempt, observed.jitter), outcome.retry_after or 0.0)
    again = deadlines.add_seconds(now, delay)
    total = deadlines.total_deadline(observed, now)
    if total is not None and again >= total:
        return _end(phase, error, f"{error.message} (timeouts.total leaves no time for another attempt)")
    pause = (again - now).total_seconds()
    failed = f"{what} {tried} of {limit + 1}" + (" failed" if what == _ATTEMPT else "")
    message = f"{failed}; retrying in {pause:.1f}s: {error.message}"
    return PlannedRetry(at=again, phase=phase, error=error, message=message)


def remaining_attempts(status: TaskActionStatus, policy: Policy) -> int:
    """Return how many attempts may follow if the platform ends the current one."""
    if RetryClass.SYSTEM not in policy.retry_on:
        return 0
    if policy.system_limit is not None:
        return max(policy.system_limit - (status.system_failures or 0), 0)
    return max(policy.retry_limit + 1 - max(status.attempt or 0, 1), 0)


def _budget(observed: Observed, attempt: int, kind: ErrorKind) -> tuple[int, int, str]:
    """Return the number of this attempt among those that share a limit, the limit, and their name."""
    policy, failures = observed.policy, observed.status.system_failures or 0
    if policy.system_limit is None:
        return attempt, policy.retry_limit, _ATTEMPT
    if kind is ErrorKind.SYSTEM:
        return failures + 1, policy.system_limit, _PLATFORM
    return attempt - failures, policy.retry_limit, _ATTEMPT


def timeout_failure(observed: Observed, now: datetime) -> Failed:
    """Return the failure of an attempt that exceeded one of its timeouts."""
    name = deadlines.expired_bound(observed, now) or "attempt"
    bound = format_duration(getattr(observed.policy, name) or timedelta())
    if name == "waiting":
        message = f"attempt had no room to run within timeouts.waiting ({bound})"
        return Failed(code=Reason.QUEUED_TIMEOUT, message=message, retry_class=RetryClass.TIMEOUT)
    return _timeout(observed, f"attempt not finished within timeouts.{name} ({bound})")


def call_timeout_failure(observed: Observed, seconds: float) -> Failed:
    """Return the failure of an attempt one call of which took longer than the platform allows."""
    bound = format_duration(timedelta(seconds=seconds))
    return _timeout(
        observed,
        f"a call of the executor took longer than TASKACTION_CALL_TIMEOUT ({bound}); let the target answer at once and "
        "poll it, or use a callback",
    )


def unconfirmed_failure(failure: Failed, problem: str) -> Failed:
    """Return the failure of an attempt whose cancel was not confirmed: another one could run next to its work."""
    if failure.retry_class in {None, RetryClass.INTERRUPTED}:
        return replace(failure, message=f"{failure.message}; {problem}")
    return replace(failure, message=f"{failure.message}; {problem}{_HOW_TO_RETRY}", retry_class=RetryClass.INTERRUPTED)


def _timeout(observed: Observed, message: str) -> Failed:
    """Return a timeout; unless its work can be found and cancelled, the effect is unknown, and so not repeated."""
    cancelled = observed.traits.external_effect and observed.status.external_id is not None
    if observed.traits.idempotent or cancelled:
        return Failed(code=Reason.ATTEMPT_TIMEOUT, message=message, retry_class=RetryClass.TIMEOUT)
    return Failed(
        code=Reason.ATTEMPT_TIMEOUT,
        message=f"{message}, and its effect is unknown{_HOW_TO_RETRY}",
        retry_class=RetryClass.INTERRUPTED,
    )


def interruption_failure(observed: Observed) -> Failed:
    """Return the failure of an attempt whose process stopped, so that its effect is unknown."""
    claim = observed.status.claim
    holder = claim.holder if claim is not None else "its owner"
    return Failed(
        code=Reason.INTERRUPTED,
        message=f"{holder} stopped during the attempt, and its effect is unknown{_HOW_TO_RETRY}",
        kind=ErrorKind.SYSTEM,
        retry_class=RetryClass.INTERRUPTED,
    )


def _end(phase: Phase, error: ActionErrorInfo, message: str) -> Ending:
    return Ending(phase=phase, reason=error.code, message=message, error=error)
