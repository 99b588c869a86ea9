"""Decisions that end an action: cancel its attempt first if there is something to cancel, then record the end."""

from datetime import datetime

from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskActionStatus
from taskaction.lifecycle.attempts import (
    change_attempt_status,
    effect_problem,
    is_pollable,
    must_cancel,
    with_external_id,
    write_if_changed,
)
from taskaction.lifecycle.decisions import Cancel, Decision, Effect, ExpireAt, RecordEvent, RemoveFinalizer, Write
from taskaction.lifecycle.endings import Ending
from taskaction.lifecycle.outcomes import Failed, Succeeded
from taskaction.lifecycle.state import Activity, Observed
from taskaction.lifecycle.statuses import Change, apply_change, close_attempt_fields


def cancel_or_finish(observed: Observed, ending: Ending, now: datetime) -> Decision:
    """Return the decision that cancels what must be cancelled before the end, otherwise the end."""
    if must_cancel(observed):
        return cancel(observed, now, why=ending.message)
    return finish(observed, ending.with_problem(effect_problem(observed)), now)


def give_up(observed: Observed, failure: Failed, now: datetime) -> Decision:
    """Return the decision that cancels what an attempt may have left outside, before its failure is recorded."""
    if failure.external_id is not None:
        observed = with_external_id(observed, failure.external_id, now)
    return cancel(observed, now, why=failure.message, failure=failure)


def cancel(observed: Observed, now: datetime, *, why: str, failure: Failed | None = None) -> Decision:
    """Return the decision that cancels the attempt, or waits for a cancel that has begun; ``why`` is shown meanwhile.

    ``failure`` is that of the attempt, if it has one.
    A cancel that takes long, such as that of a pod, is shown at once; another one is over before it could be.
    A next owner polls an attempt that is shown as being cancelled. So one that was called and must not be called again
    is not shown, unless it ends for a reason that the next owner finds, too.
    """
    status = observed.status
    may_show = failure is None or is_pollable(status) or observed.traits.idempotent
    if may_show and status.phase.is_started and status.reason != Reason.ABORTING:
        message = f"waiting for the executor to cancel: {why}" if why else "waiting for the executor to cancel"
        status = change_attempt_status(observed, phase=status.phase, reason=Reason.ABORTING, message=message, now=now)
    bound = now + observed.policy.settings.cancel_grace + observed.traits.extra_cancel_grace
    # No wake-up at the deadline that has passed: the deadline of the cancel ends the wait.
    effects = () if observed.activity is Activity.CANCELLING else (Cancel(bound, failure),)
    write = write_if_changed(observed, status)
    if write is Write.LATER and observed.traits.extra_cancel_grace:
        write = Write.NOW
    return Decision(status=status, write=write, effects=effects)


def finish(observed: Observed, ending: Ending, now: datetime, output: Succeeded | Failed | None = None) -> Decision:
    """Return the decision that records the end; ``output`` is the outcome whose results are kept."""
    status = observed.status
    change = Change(
        phase=ending.phase, reason=ending.reason, message=ending.message, now=now, generation=observed.generation
    )
    fields = close_attempt_fields(status, ending.phase, ending.error, now)
    if output is not None:
        fields |= {"output": output.output, "external_id": output.external_id or status.external_id}
    if isinstance(output, Succeeded):
        fields |= {
            "output_uri": output.output_uri,
            "links": output.links or status.links,
            "cache_status": output.cache_status or status.cache_status,
        }
    if output is not None and (at := output.output_at) is not None:
        fields |= {"output_uri": at.uri, "output_digest": at.digest, "output_size": at.size}
    status = apply_change(status, change, **fields, finished_at=now, next_attempt_at=None, suspended_at=None)
    tell: tuple[Effect, ...] = ()
    if ending.phase is not Phase.SUCCEEDED:
        tell = (RecordEvent(warning=ending.phase is not Phase.ABORTED, reason=ending.reason, message=ending.message),)
    return Decision(status=status, write=Write.NOW, effects=(*_finish_effects(observed, status), *tell))


def decide_finished(observed: Observed) -> Decision:
    """Return the decision about an action whose end is recorded: only what follows from the end."""
    return Decision(status=observed.status, effects=_finish_effects(observed, observed.status))


def _finish_effects(observed: Observed, status: TaskActionStatus) -> tuple[Effect, ...]:
    release: tuple[Effect, ...] = (RemoveFinalizer(),) if observed.has_finalizer else ()
    finished = status.finished_at or observed.created
    return (*release, ExpireAt(finished + observed.policy.ttl))


def success_ending(outcome: Succeeded) -> Ending:
    """Return the end of an attempt that succeeded."""
    return Ending(phase=Phase.SUCCEEDED, reason=Reason.COMPLETED, message=outcome.message)
