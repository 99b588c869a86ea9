"""Facts about the attempt of an action, and the statuses that open, claim and continue one; decides nothing."""

from datetime import datetime, timedelta

from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Attempt, Claim, TaskActionStatus
from taskaction.lifecycle import deadlines
from taskaction.lifecycle.decisions import Write
from taskaction.lifecycle.gates import ASKED_AGAIN, SHOWN_WHILE_HELD
from taskaction.lifecycle.outcomes import Failed, Work
from taskaction.lifecycle.state import Activity, Observed, Parent
from taskaction.lifecycle.statuses import Change, apply_change, open_attempt_fields

_CLOCKS_DIFFER = timedelta(seconds=5)
"""Difference of clocks between two owners, each of which starts nothing with a larger one to the API server's."""
_NOT_ADOPTED = frozenset({Parent.FOUND, Parent.MISSING, Parent.FINISHED})


def with_status(observed: Observed, status: TaskActionStatus) -> Observed:
    """Return the facts with another status."""
    return observed if status is observed.status else observed._replace(status=status)


def new_claim(observed: Observed, now: datetime) -> Claim:
    """Return the claim of this owner."""
    return Claim(
        holder=observed.owner.holder,
        epoch=observed.owner.epoch,
        at=now,
        parameters_hash=observed.parameters_hash,
    )


def take_over_claim(observed: Observed, now: datetime) -> TaskActionStatus:
    """Return the status with this owner's claim, so that a late result of a former owner is fenced off."""
    if _has_own_claim(observed):
        return observed.status
    return observed.status.model_copy(update={"claim": new_claim(observed, now)})


def _has_own_claim(observed: Observed) -> bool:
    claim, owner = observed.status.claim, observed.owner
    return claim is not None and (claim.holder, claim.epoch) == (owner.holder, owner.epoch)


def continue_attempt(observed: Observed, now: datetime) -> TaskActionStatus:
    """Return the status of an attempt that is called again, by this owner, and waits for nothing any more."""
    status = take_over_claim(observed, now)
    if status.reason not in SHOWN_WHILE_HELD:
        return status
    return change_attempt_status(
        with_status(observed, status), phase=status.phase, reason=Reason.EXECUTING, message="", now=now
    )


def with_open_attempt(observed: Observed, now: datetime) -> Observed:
    """Return the facts with an open attempt: a failure before the start must count, or it is retried forever."""
    if observed.status.phase.is_started:
        return observed
    fields = open_attempt_fields(observed.status, new_claim(observed, now), now, observed.key_base)
    return observed._replace(status=observed.status.model_copy(update=fields))


def with_external_id(observed: Observed, external_id: str, now: datetime) -> Observed:
    """Return the facts with the target's id of the attempt, which is opened if nobody has recorded its start."""
    opened = with_open_attempt(observed, now)
    return opened._replace(status=opened.status.model_copy(update={"external_id": external_id}))


def change_attempt_status(
    observed: Observed, *, phase: Phase, reason: Reason, message: str, now: datetime, **fields: object
) -> TaskActionStatus:
    """Return the status with another phase, reason and message, and ``fields``."""
    change = Change(phase=phase, reason=reason, message=message, now=now, generation=observed.generation)
    return apply_change(observed.status, change, **fields)


def storage_wait_status(observed: Observed, message: str, external_id: str | None, now: datetime) -> TaskActionStatus:
    """Return the status of an attempt that has ended, and whose output the storage does not take.

    A next owner must know whether to poll: by the id of the work outside, otherwise by the reason, which then stays.
    """
    status = observed.status
    external_id = external_id or status.external_id
    reason = status.reason if external_id is None and is_pollable(status) else Reason.STORAGE_UNAVAILABLE
    change = Change(phase=status.phase, reason=reason or "", message=message, now=now, generation=observed.generation)
    return apply_change(status, change, external_id=external_id)


def track_suspension(observed: Observed, now: datetime) -> TaskActionStatus:
    """Return the status with the time of suspension, which starts and ends when it is observed.

    An action that was created suspended counts as suspended since its creation, however late it is observed.
    """
    status = observed.status
    if observed.spec.suspend and status.suspended_at is None:
        return status.model_copy(update={"suspended_at": observed.created if observed.generation == 1 else now})
    if not observed.spec.suspend and status.suspended_at is not None:
        seconds = deadlines.suspended_duration(observed, now).total_seconds()
        return status.model_copy(update={"suspended_at": None, "suspended_seconds": seconds})
    return status


def is_attempt_late(observed: Observed, now: datetime) -> bool:
    """Whether a deadline of the attempt has passed, or that of waiting for it."""
    return deadlines.expired_bound(observed, now) is not None


def attempts_with_start(observed: Observed, phase: Phase, now: datetime, *, waits: bool = False) -> tuple[Attempt, ...]:
    """Return the attempts after the executor has reported ``phase``, with the times at which the last one got on."""
    attempts = observed.status.attempts
    if not observed.traits.reports_start or not attempts or waits:
        return attempts
    last, runs = attempts[-1], phase is not Phase.INITIALIZING
    update = {"initializing_at": last.initializing_at or now}
    if runs:
        update["running_at"] = last.running_at or now
    return (*attempts[:-1], last.model_copy(update=update))


def is_pollable(status: TaskActionStatus) -> bool:
    """Whether the attempt waits for something that a poll can ask about."""
    is_outside = status.external_id is not None or status.reason in {Reason.WAITING_FOR_COMPLETION, Reason.ABORTING}
    return status.phase is Phase.PAUSED or is_outside


def must_cancel(observed: Observed) -> bool:
    """Whether something that this attempt started, or may have started, must be cancelled before the action ends."""
    if observed.activity in {Activity.CALLING, Activity.CANCELLING}:
        return True
    if not observed.status.phase.is_started:
        return may_have_started(observed)
    if observed.activity is Activity.WAITING or observed.traits.external_effect or is_pollable(observed.status):
        return True
    return is_start_lost(observed)


def is_start_lost(observed: Observed) -> bool:
    """Whether a call of a former owner may have started what can be looked for, and whose id is not on record."""
    can_be_found = observed.traits.idempotent or not observed.traits_known
    return observed.lost_call and can_be_found and observed.status.external_id is None


def may_have_started(observed: Observed) -> bool:
    """Whether a former owner may have started an attempt that is not on record: it need not record an idempotent one.

    What must be durable before a call tells of most actions that they were not started: the parent as an owner, and
    the finalizer for an external effect. With the finalizer, a call may have been made, whatever has changed since.
    """
    status = observed.status
    if status.phase.is_started or not is_start_lost(observed):
        return False
    refused = observed.blocker is not None and observed.blocker.final
    if not observed.has_finalizer and (observed.parent in _NOT_ADOPTED or refused or observed.traits.external_effect):
        return False
    due = status.next_attempt_at if status.reason not in ASKED_AGAIN else None
    return due is None or observed.taken_at is None or due <= observed.taken_at + _CLOCKS_DIFFER


def is_uncalled(observed: Observed) -> bool:
    """Whether nothing was called for the attempt on record: this owner has claimed it, and was kept from the call."""
    return _has_own_claim(observed) and not observed.lost_call


def is_callable(observed: Observed) -> bool:
    """Whether another call for a running attempt, in which no call is under way, cannot repeat an effect."""
    if is_pollable(observed.status):
        return True
    return observed.traits_known and (observed.traits.idempotent or is_uncalled(observed))


def may_continue(observed: Observed, failure: Failed) -> bool:
    """Whether something that the attempt has started may continue after its failure."""
    if failure.work is not Work.UNCHANGED:
        return failure.work is Work.UNKNOWN
    if not observed.status.phase.is_started:
        return may_have_started(observed)
    return is_pollable(observed.status) or is_start_lost(observed)


def effect_problem(observed: Observed) -> str:
    """Return why the effect of a running attempt is unknown, so that nothing could be cancelled; empty if it is not."""
    status = observed.status
    lost = observed.lost_call and status.phase.is_started and not observed.traits.idempotent
    known = status.external_id is not None or status.phase is Phase.PAUSED
    if not lost or known or status.reason == Reason.WAITING_FOR_COMPLETION:
        return ""
    holder = status.claim.holder if status.claim is not None else "its owner"
    return f"{holder} stopped during the attempt, and its effect is unknown"


def write_if_changed(observed: Observed, status: TaskActionStatus) -> Write:
    """Return when to write a status that is not urgent: never if nothing changed."""
    return Write.NONE if status is observed.status else Write.LATER
