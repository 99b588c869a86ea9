"""What reports from outside change of an attempt: a phase never goes backwards, and attempts that are over are over."""

from datetime import datetime

from taskaction.api.enums import CacheStatus, ErrorKind, Phase, RetryClass
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Claim, TaskActionStatus
from taskaction.lifecycle.outcomes import Failed, Succeeded
from taskaction.lifecycle.state import Observed, Report
from taskaction.lifecycle.statuses import Change, changed, closed, error_info, opened

_REASONS = {Phase.PAUSED: Reason.PAUSED}
_CLASSES = {Phase.FAILED: RetryClass.ERROR, Phase.TIMED_OUT: RetryClass.TIMEOUT}


def under_way(observed: Observed, report: Report, claim: Claim, now: datetime) -> TaskActionStatus:
    """Give the status after ``report``, an end apart; the same object where it changes nothing."""
    status = observed.status
    attempt = status.attempt or 1
    if report.attempt < attempt:
        return status
    if report.attempt > attempt:
        status = _again(status, report, claim, now)
    if _is_news(report.cache_status, status.cache_status):
        status = status.model_copy(update={"cache_status": report.cache_status})
    if report.phase is None or not report.phase.started or _is_behind(report.phase, status.phase):
        return status
    change = Change(
        phase=report.phase,
        reason=_REASONS.get(report.phase, Reason.WAITING_FOR_COMPLETION),
        message=f"reported by {report.by}" if report.by else "reported from outside",
        now=now,
        generation=observed.generation,
    )
    return changed(status, change)


def outcome_of(report: Report, status: TaskActionStatus) -> Succeeded | Failed | None:
    """Give how the attempt has ended by ``report``; None where it goes on, or where it is about another one."""
    if report.attempt != (status.attempt or 1) or report.phase is None:
        return None
    said = f"reported by {report.by}" if report.by else "reported from outside"
    if report.phase is Phase.SUCCEEDED:
        return Succeeded(output=status.output, output_uri=status.output_uri, message=said)
    if report.phase in _CLASSES:
        return Failed(code=Reason.REPORTED, message=said, retry_class=_CLASSES[report.phase])
    return None


def _again(status: TaskActionStatus, report: Report, claim: Claim, now: datetime) -> TaskActionStatus:
    """Give the status with the attempt that was started outside, of the same thing: its external id stays."""
    error = error_info(Reason.REPORTED, ErrorKind.SYSTEM, f"attempt {report.attempt} was started outside")
    status = status.model_copy(update=closed(status, Phase.FAILED, error, now))
    kept = {"external_id": status.external_id, "progress": None, "attempt": report.attempt}
    fields = opened(status, claim, now) | kept
    last = fields["attempts"][-1].model_copy(update={"number": report.attempt})
    return status.model_copy(update=fields | {"attempts": (*fields["attempts"][:-1], last)})


def _is_news(said: CacheStatus | None, known: CacheStatus | None) -> bool:
    """Say whether a cache status is one to keep: Disabled is also what is sent by who says nothing of caches."""
    return said is not None and said is not known and (said is not CacheStatus.DISABLED or known is None)


def _is_behind(phase: Phase, current: Phase) -> bool:
    """Say whether an attempt that has begun is said to be about to begin; a pause may begin and end at any time."""
    return phase is Phase.INITIALIZING and current is not Phase.INITIALIZING
