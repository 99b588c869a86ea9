"""Reports from outside about an attempt: phases never go backwards, and finished attempts stay finished."""

from datetime import datetime

from taskaction.api.enums import CacheStatus, ErrorKind, Phase, RetryClass
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Claim, TaskActionStatus
from taskaction.lifecycle.attempts import attempts_with_start
from taskaction.lifecycle.idempotency import attempt_key
from taskaction.lifecycle.outcomes import Failed, Succeeded
from taskaction.lifecycle.state import AttemptReport, Observed
from taskaction.lifecycle.statuses import Change, apply_change, close_attempt_fields, error_info, open_attempt_fields

_REASONS = {Phase.PAUSED: Reason.PAUSED}
_CLASSES = {Phase.FAILED: RetryClass.ERROR, Phase.TIMED_OUT: RetryClass.TIMEOUT}


def apply_report(observed: Observed, report: AttemptReport, claim: Claim, now: datetime) -> TaskActionStatus:
    """Return the status after ``report`` unless it ends the attempt; the same object if nothing changes."""
    status = observed.status
    attempt = status.attempt or 1
    if report.attempt < attempt:
        return status
    if report.attempt > attempt:
        status = _open_reported_attempt(observed, report, claim, now)
    if _is_news(report.cache_status, status.cache_status):
        status = status.model_copy(update={"cache_status": report.cache_status})
    if report.address is not None and report.address != status.address:
        status = status.model_copy(update={"address": report.address})
    if report.phase is None or not report.phase.is_started or _is_behind(report.phase, status.phase):
        return status
    change = Change(
        phase=report.phase,
        reason=_REASONS.get(report.phase, Reason.WAITING_FOR_COMPLETION),
        message=f"reported by {report.by}" if report.by else "reported by the external system",
        now=now,
        generation=observed.generation,
    )
    attempts = attempts_with_start(observed._replace(status=status), report.phase, now)
    return apply_change(status, change, attempts=attempts)


def outcome_from_report(report: AttemptReport, status: TaskActionStatus) -> Succeeded | Failed | None:
    """Return the outcome in ``report``; None if the attempt continues or the report is about another attempt."""
    if report.attempt != (status.attempt or 1) or report.phase is None:
        return None
    said = f"reported by {report.by}" if report.by else "reported by the external system"
    if report.phase is Phase.SUCCEEDED:
        return Succeeded(output=status.output, output_uri=status.output_uri, message=said)
    if report.phase in _CLASSES:
        return Failed(code=Reason.REPORTED, message=said, retry_class=_CLASSES[report.phase])
    return None


def _open_reported_attempt(observed: Observed, report: AttemptReport, claim: Claim, now: datetime) -> TaskActionStatus:
    """Return the status with an attempt that was started outside for the same work: its external id stays."""
    error = error_info(
        Reason.REPORTED, ErrorKind.SYSTEM, f"attempt {report.attempt} was started by the external system"
    )
    status = observed.status
    status = status.model_copy(update=close_attempt_fields(status, Phase.FAILED, error, now))
    kept = {"external_id": status.external_id, "progress": None, "attempt": report.attempt}
    fields = open_attempt_fields(status, claim, now) | kept
    named = {"number": report.attempt, "idempotency_key": attempt_key(observed.key_base, report.attempt)}
    last = fields["attempts"][-1].model_copy(update=named)
    return status.model_copy(update=fields | {"attempts": (*fields["attempts"][:-1], last)})


def _is_news(said: CacheStatus | None, known: CacheStatus | None) -> bool:
    """Whether to store a cache status: senders without caches also send Disabled."""
    return said is not None and said is not known and (said is not CacheStatus.DISABLED or known is None)


def _is_behind(phase: Phase, current: Phase) -> bool:
    """Whether the phase goes back to Initializing; a pause may begin and end at any time."""
    return phase is Phase.INITIALIZING and current is not Phase.INITIALIZING
