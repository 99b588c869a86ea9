"""Reasons for an action to end other than the outcome of a call: aborts, missing parents, timeouts, refusals."""

from dataclasses import dataclass, replace
from datetime import datetime

from taskaction.api.enums import ErrorKind, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import ActionErrorInfo
from taskaction.core.durations import format_duration
from taskaction.lifecycle import deadlines
from taskaction.lifecycle.state import Observed, Parent
from taskaction.lifecycle.statuses import error_info


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A terminal phase with its reason, message and error."""

    phase: Phase
    reason: Reason | str
    message: str
    error: ActionErrorInfo | None = None

    def with_problem(self, problem: str) -> "Ending":
        """Return the ending with what people must know of work that may continue outside."""
        return replace(self, message=f"{self.message}; {problem}") if problem else self


def find_ending(observed: Observed, now: datetime) -> Ending | None:
    """Return the ending that the facts require, by precedence, or None if the action may continue."""
    if observed.abort is not None:
        by = f" by {observed.abort.by}" if observed.abort.by else ""
        return Ending(
            phase=Phase.ABORTED,
            reason=observed.abort.reason,
            message=observed.abort.message or f"aborted{by}",
        )
    if not observed.status.phase.is_started and (refused := _find_refusal(observed)) is not None:
        return refused
    return _find_timeout(observed, now)


def _find_refusal(observed: Observed) -> Ending | None:
    ref = observed.spec.parent_ref
    if observed.parent is Parent.MISSING and ref is not None:
        return user_failure(
            Reason.PARENT_NOT_FOUND,
            f"spec.parentRef: {ref.kind} {ref.name!r} not found in this namespace",
        )
    if observed.parent is Parent.FINISHED and ref is not None:
        return user_failure(Reason.PARENT_FINISHED, f"spec.parentRef: {ref.kind} {ref.name!r} has already finished")
    if observed.blocker is not None and observed.blocker.final:
        return user_failure(observed.blocker.reason, observed.blocker.message)
    if observed.queue_full is not None and observed.queue_full.refused:
        return user_failure(Reason.QUEUE_FULL, observed.queue_full.message)
    claim = observed.status.claim
    changed = claim is not None and claim.parameters_hash not in {None, observed.parameters_hash}
    if changed and observed.parameters_hash is not None:
        return user_failure(
            Reason.SPEC_CHANGED, "spec.parameters: changed since the previous attempt; create a new action"
        )
    return None


def _find_timeout(observed: Observed, now: datetime) -> Ending | None:
    suspended = observed.status.suspended_at is not None
    held_back = (
        suspended and not observed.status.phase.is_started
    )  # a timeout that expired before a suspension stays expired
    total = deadlines.total_deadline(observed, now)
    if total is not None and total <= now and not held_back and observed.policy.total is not None:
        return _timeout_ending(
            Reason.TOTAL_TIMEOUT, f"not finished within timeouts.total ({format_duration(observed.policy.total)})"
        )
    queued = deadlines.queued_deadline(observed, now)
    if queued is not None and queued <= now and not suspended and observed.policy.queued is not None:
        return _timeout_ending(
            Reason.QUEUED_TIMEOUT, f"not started within timeouts.queued ({format_duration(observed.policy.queued)})"
        )
    latest = deadlines.start_deadline(observed)
    if latest is not None and latest < now:
        return _timeout_ending(Reason.START_DEADLINE_EXCEEDED, f"not started by spec.notAfter ({latest.isoformat()})")
    return None


def user_failure(reason: Reason, message: str) -> Ending:
    """Return a failure that the author of the action can fix."""
    return Ending(phase=Phase.FAILED, reason=reason, message=message, error=error_info(reason, ErrorKind.USER, message))


def _timeout_ending(reason: Reason, message: str) -> Ending:
    return Ending(
        phase=Phase.TIMED_OUT, reason=reason, message=message, error=error_info(reason, ErrorKind.USER, message)
    )
