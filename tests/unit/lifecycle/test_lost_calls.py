"""A former owner may have called the executor and recorded nothing: the end waits for what that may have started."""

from dataclasses import replace

import pytest

from support.lifecycle import (
    ABORT,
    BROKEN,
    NOW,
    ONCE,
    OUTSIDE,
    REFUSED,
    REPEATABLE,
    UNKNOWN,
    after,
    backing_off,
    effects,
    observed,
    pending,
    policy,
    running,
    seconds,
    spec,
    waiting,
)
from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import ParentRef
from taskaction.lifecycle.decisions import Cancel, RemoveFinalizer, Write
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Pending
from taskaction.lifecycle.state import Activity, CallEnded, CancelEnded, Observed, Parent, Reconcile, Slot
from taskaction.lifecycle.traits import Traits

ONCE_OUTSIDE = Traits(idempotent=False, external_effect=True)
LOST = {
    "an object that the action owns": observed(traits=REPEATABLE),
    "work outside, under the finalizer": observed(traits=OUTSIDE, has_finalizer=True),
    "in the queue": observed(traits=REPEATABLE, activity=Activity.QUEUED),
    "parked": observed(traits=REPEATABLE, activity=Activity.PARKED),
    "a child of its owner": observed(traits=REPEATABLE, parent=Parent.OWNER),
    "a child of an owner that is read again": observed(traits=REPEATABLE, parent=Parent.LOOKED_UP),
    "another attempt that was due": observed(traits=REPEATABLE, status=backing_off(NOW)),
    "another attempt by a clock behind": observed(traits=REPEATABLE, status=backing_off(after(4))),
    "a limit that was an estimate": observed(
        traits=REPEATABLE,
        status=waiting(Phase.WAITING_FOR_RESOURCES, reason=Reason.RATE_LIMITED, next_attempt_at=after(60)),
    ),
    "an attempt on record, without an id": observed(traits=REPEATABLE, status=running()),
    "an unknown executor": observed(traits=UNKNOWN, traits_known=False),
    "an unknown executor, under the finalizer": observed(traits=UNKNOWN, traits_known=False, has_finalizer=True),
    "an unknown executor of an attempt on record": observed(traits=UNKNOWN, traits_known=False, status=running()),
    "refused since, under the finalizer": observed(traits=OUTSIDE, has_finalizer=True, blocker=REFUSED),
}
NOT_STARTED = {
    "must be claimed first": observed(traits=ONCE),
    "no finalizer for work outside": observed(traits=OUTSIDE),
    "not adopted": observed(traits=REPEATABLE, parent=Parent.FOUND),
    "refused": observed(traits=REPEATABLE, blocker=REFUSED),
    "refused, of an unknown executor": observed(traits=UNKNOWN, traits_known=False, blocker=REFUSED),
    "another attempt that was not due": observed(traits=REPEATABLE, status=backing_off(after(60))),
}


def lost(facts: Observed, **changes: object) -> Observed:
    return facts._replace(lost_call=True, taken_at=NOW, **changes)


@pytest.mark.parametrize("event", [Reconcile(), Slot()], ids=["look", "slot"])
@pytest.mark.parametrize("facts", LOST.values(), ids=LOST)
def test_what_may_have_been_started_is_cancelled_before_the_abort(facts: Observed, event: Reconcile | Slot) -> None:
    decision = step(lost(facts, abort=ABORT), event, NOW)

    assert len(effects(decision, Cancel)) == 1
    assert not decision.status.phase.is_terminal
    assert decision.write in {Write.NONE, Write.LATER}  # one write for each action, as without a crash


@pytest.mark.parametrize("facts", NOT_STARTED.values(), ids=NOT_STARTED)
def test_what_the_record_rules_out_is_not_looked_for(facts: Observed) -> None:
    assert step(lost(facts, abort=ABORT), Reconcile(), NOW).status.phase is Phase.ABORTED


@pytest.mark.parametrize("facts", LOST.values(), ids=LOST)
def test_an_owner_from_the_beginning_knows_what_it_has_called(facts: Observed) -> None:
    assert step(facts._replace(abort=ABORT), Reconcile(), NOW).status.phase is Phase.ABORTED


ENDINGS = {
    "total": {"policy": policy(total=seconds(1))},
    "queued": {"policy": policy(queued=seconds(1))},
    "not after": {"spec": spec(not_after=after(-1))},
    "the parent is gone": {"parent": Parent.OWNER, "abort": replace(ABORT, reason=Reason.PARENT_DELETED)},
}


@pytest.mark.parametrize("changes", ENDINGS.values(), ids=ENDINGS)
def test_every_other_end_waits_for_it_too(changes: dict[str, object]) -> None:
    assert len(effects(step(lost(observed(traits=REPEATABLE), **changes), Reconcile(), NOW), Cancel)) == 1


def test_a_missing_parent_says_that_nothing_was_started() -> None:
    facts = observed(traits=REPEATABLE, parent=Parent.MISSING, spec=spec(parent_ref=ParentRef(name="gone")))

    assert step(lost(facts), Reconcile(), NOW).status.reason == Reason.PARENT_NOT_FOUND


def test_what_was_found_is_on_record_as_the_attempt_that_nobody_recorded() -> None:
    facts = lost(observed(traits=OUTSIDE, has_finalizer=True, activity=Activity.CANCELLING), abort=ABORT)

    decision = step(facts, CancelEnded(external_id="job-7"), NOW)

    last = decision.status.attempts[-1]
    assert (decision.status.phase, decision.status.message, decision.status.attempt) == (
        Phase.ABORTED,
        ABORT.message,
        1,
    )
    assert (last.number, last.phase, last.external_id, last.ended_at) == (1, Phase.ABORTED, "job-7", NOW)
    assert effects(decision, RemoveFinalizer) == [RemoveFinalizer()]


def test_what_was_found_of_a_retry_is_the_next_attempt() -> None:
    facts = lost(observed(traits=REPEATABLE, status=backing_off(NOW), activity=Activity.CANCELLING), abort=ABORT)

    status = step(facts, CancelEnded(external_id="job-7"), NOW).status

    assert [(one.number, one.phase) for one in status.attempts] == [(1, Phase.FAILED), (2, Phase.ABORTED)]


def test_an_action_that_was_not_started_has_no_attempt() -> None:
    status = step(
        lost(observed(traits=REPEATABLE, activity=Activity.CANCELLING), abort=ABORT), CancelEnded(), NOW
    ).status

    assert (status.phase, status.attempt, status.started_at) == (Phase.ABORTED, None, None)
    assert status.message == ABORT.message


@pytest.mark.parametrize("status", [None, running(), pending()], ids=["queued", "called", "polled"])
def test_a_cancel_that_nobody_confirmed_is_part_of_the_message(status: object) -> None:
    facts = observed(**({"status": status} if status is not None else {}), activity=Activity.CANCELLING, abort=ABORT)

    decision = step(facts, CancelEnded(problem="the work may continue"), NOW)

    assert (decision.status.phase, decision.status.reason) == (Phase.ABORTED, Reason.ABORTED)
    assert decision.status.message == f"{ABORT.message}; the work may continue"


def test_a_timeout_says_so_too() -> None:
    facts = observed(
        status=running(), activity=Activity.CANCELLING, policy=policy(attempt=seconds(1)), traits=REPEATABLE
    )

    status = step(facts, CancelEnded(problem="the work may continue"), after(60)).status

    assert "; the work may continue; to retry such attempts, add Interrupted" in (status.message or "")


@pytest.mark.parametrize(
    "facts", [observed(status=running(), traits=ONCE), observed(status=running(), traits=ONCE_OUTSIDE)]
)
def test_an_effect_that_cannot_be_asked_for_is_unknown(facts: Observed) -> None:
    facts = lost(facts, abort=ABORT)
    decision = step(facts, Reconcile(), NOW)
    if effects(decision, Cancel):
        decision = step(facts._replace(status=decision.status, activity=Activity.CANCELLING), CancelEnded(), NOW)

    assert decision.status.phase is Phase.ABORTED
    assert "stopped during the attempt, and its effect is unknown" in (decision.status.message or "")


def test_an_action_whose_end_was_withdrawn_goes_on() -> None:
    decision = step(lost(observed(traits=REPEATABLE, activity=Activity.CANCELLING)), CancelEnded(), NOW)

    assert (decision.status.phase, [type(one).__name__ for one in decision.effects]) == (Phase.QUEUED, ["Enqueue"])


def test_what_was_cancelled_for_an_end_that_was_withdrawn_is_an_interrupted_attempt() -> None:
    facts = lost(observed(traits=REPEATABLE, activity=Activity.CANCELLING))

    status = step(facts, CancelEnded(external_id="job-7"), NOW).status

    assert status.attempts[-1].error is not None
    assert status.attempts[-1].error.code == Reason.INTERRUPTED


def test_an_outcome_of_its_own_ends_the_doubt() -> None:
    """The reconciler drops the fact with the first outcome; what follows is as without a crash."""
    facts = observed(status=running(), traits=REPEATABLE, activity=Activity.CALLING)
    polled = step(facts, CallEnded(Pending(poll_after=5, external_id="job-8")), NOW).status
    failed = step(observed(status=polled, traits=REPEATABLE, activity=Activity.CALLING), CallEnded(BROKEN), NOW)

    assert failed.status.phase is Phase.FAILED
