"""An abort is a fact: it ends the action wherever it stands, and never before the executor has been told."""

import pytest

from support.lifecycle import (
    ABORT,
    BROKEN,
    FOREIGN_CLAIM,
    NOT_READY,
    NOW,
    ONCE,
    OUTSIDE,
    REFUSED,
    REPEATABLE,
    after,
    backing_off,
    effects,
    finished,
    kinds,
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
from taskaction.api.task_action import ParentRef, TaskActionStatus
from taskaction.lifecycle.decisions import Cancel, PollAt, RecordEvent, WakeAt, Write
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded
from taskaction.lifecycle.policy import Settings
from taskaction.lifecycle.state import (
    AbortFact,
    Activity,
    Blocker,
    CallEnded,
    CancelEnded,
    Observed,
    Parent,
    Reconcile,
    Slot,
)
from taskaction.lifecycle.traits import Traits

NOTHING_TO_STOP = {
    "queued": observed(),
    "waits-for-a-worker": observed(activity=Activity.QUEUED),
    "waits-for-its-provider": observed(status=waiting(Phase.WAITING_FOR_RESOURCES), blocker=NOT_READY),
    "backs-off": observed(status=backing_off(after(60))),
    "suspended": observed(spec=spec(suspend=True)),
    "parent-not-known-yet": observed(parent=Parent.LOOKED_UP),
    "restarted-and-nothing-outside": observed(status=running()),
}
MUST_STOP = {
    "calling": observed(status=running(), activity=Activity.CALLING),
    "calling-before-the-record": observed(activity=Activity.CALLING),
    "waiting": observed(status=pending(), activity=Activity.WAITING),
    "paused": observed(status=running(Phase.PAUSED), activity=Activity.WAITING),
    "restarted-with-an-effect-outside": observed(status=pending(), traits=OUTSIDE),
    "queued-for-a-poll-with-an-effect-outside": observed(status=pending(), traits=OUTSIDE, activity=Activity.QUEUED),
}


def aborted(facts: Observed) -> Observed:
    return facts._replace(abort=ABORT)


@pytest.mark.parametrize("event", [Reconcile(), Slot()], ids=["look", "slot"])
@pytest.mark.parametrize("state", NOTHING_TO_STOP)
def test_an_action_with_nothing_to_stop_is_aborted_at_once(state: str, event: Reconcile | Slot) -> None:
    decision = step(aborted(NOTHING_TO_STOP[state]), event, NOW)

    assert decision.write is Write.NOW
    assert decision.status.phase is Phase.ABORTED
    assert (decision.status.reason, decision.status.message) == (Reason.ABORTED, "no longer wanted")
    assert (decision.status.finished_at, decision.status.next_attempt_at) == (NOW, None)
    assert effects(decision, WakeAt) == []


@pytest.mark.parametrize("state", MUST_STOP)
def test_an_executor_is_told_first_and_gets_a_bound(state: str) -> None:
    facts = aborted(MUST_STOP[state])

    decision = step(facts, Reconcile(), NOW)

    assert decision.status.phase is facts.status.phase
    assert decision.status.reason == (Reason.ABORTING if facts.status.phase.is_started else facts.status.reason)
    assert decision.write is (Write.LATER if facts.status.phase.is_started else Write.NONE)
    assert decision.effects == (Cancel(NOW + facts.policy.settings.cancel_grace),)


def test_what_may_rightly_take_its_time_to_stop_gets_it_on_top() -> None:
    traits = Traits(idempotent=True, external_effect=False, extra_cancel_grace=seconds(90))
    facts = observed(status=running(), activity=Activity.CALLING, abort=ABORT, traits=traits)

    assert step(facts, Reconcile(), NOW).effects == (Cancel(NOW + facts.policy.settings.cancel_grace + seconds(90)),)


def test_the_bound_of_a_cancel_is_the_operators_setting() -> None:
    patient = policy(settings=Settings(cancel_grace=seconds(300)))

    decision = step(
        observed(status=running(), activity=Activity.CALLING, abort=ABORT, policy=patient), Reconcile(), NOW
    )

    assert effects(decision, Cancel) == [Cancel(after(300))]


def test_a_second_look_during_the_cancel_shows_it_and_does_not_cancel_again() -> None:
    facts = observed(status=running(), activity=Activity.CANCELLING, abort=ABORT)

    decision = step(facts, Reconcile(), NOW)

    assert (decision.status.phase, decision.status.reason) == (Phase.RUNNING, Reason.ABORTING)
    assert decision.write is Write.LATER
    assert decision.effects == ()


@pytest.mark.parametrize("status", [running(), pending(), running(Phase.PAUSED)], ids=["called", "polled", "paused"])
def test_a_confirmed_cancel_records_the_abort(status: TaskActionStatus) -> None:
    decision = step(observed(status=status, activity=Activity.CANCELLING, abort=ABORT), CancelEnded(), NOW)

    assert (decision.status.phase, decision.status.reason) == (Phase.ABORTED, Reason.ABORTED)
    assert decision.status.attempts[-1].phase is Phase.ABORTED
    assert decision.status.attempts[-1].ended_at == NOW
    assert effects(decision, RecordEvent) == [
        RecordEvent(warning=False, reason=Reason.ABORTED, message="no longer wanted")
    ]


@pytest.mark.parametrize("retry_limit", [0, 5])
def test_a_failure_during_an_abort_is_not_retried(retry_limit: int) -> None:
    facts = observed(status=running(), activity=Activity.CALLING, abort=ABORT, policy=policy(retry_limit=retry_limit))

    assert step(facts, CallEnded(BROKEN), NOW).status.phase is Phase.ABORTED


def test_a_success_that_comes_before_the_confirmation_counts() -> None:
    facts = observed(status=running(), activity=Activity.CANCELLING, abort=ABORT)

    decision = step(facts, CallEnded(Succeeded(output={"id": 1})), NOW)

    assert (decision.status.phase, decision.status.output) == (Phase.SUCCEEDED, {"id": 1})


@pytest.mark.parametrize(
    "outcome",
    [Pending(poll_after=5, external_id="job-8"), Paused(message="approve me", poll_after=5), Limited(retry_after=5)],
    ids=["pending", "paused", "limited"],
)
def test_what_goes_on_outside_is_cancelled_as_soon_as_the_call_returns(outcome: Outcome) -> None:
    facts = observed(status=running(), activity=Activity.CALLING, abort=ABORT)

    decision = step(facts, CallEnded(outcome), NOW)

    assert len(effects(decision, Cancel)) == 1
    assert effects(decision, PollAt) == []


def test_the_id_of_what_must_be_cancelled_is_recorded_all_the_same() -> None:
    facts = observed(status=running(), activity=Activity.CALLING, abort=ABORT, traits=OUTSIDE)

    decision = step(facts, CallEnded(Pending(poll_after=5, external_id="job-8")), NOW)

    assert (decision.status.external_id, decision.write) == ("job-8", Write.NOW)


def test_a_limited_action_that_has_not_started_is_aborted_at_once() -> None:
    assert step(observed(abort=ABORT), CallEnded(Limited(retry_after=5)), NOW).status.phase is Phase.ABORTED


STRONGER_THAN = {
    "an-invalid-spec": {"blocker": REFUSED},
    "a-missing-parent": {"parent": Parent.MISSING, "spec": spec(parent_ref=ParentRef(name="gone"))},
    "the-total-bound": {"policy": policy(total=seconds(1))},
    "a-foreign-claim": {"status": running(claim=FOREIGN_CLAIM), "traits": ONCE, "taken_at": NOW},
}


@pytest.mark.parametrize("other", STRONGER_THAN)
def test_an_abort_is_stronger_than(other: str) -> None:
    decision = step(observed(abort=ABORT, **STRONGER_THAN[other]), Reconcile(), NOW)

    assert (decision.status.phase, decision.status.reason) == (Phase.ABORTED, Reason.ABORTED)


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        (AbortFact(reason=Reason.DELETED, message="deleted"), "deleted"),
        (AbortFact(reason=Reason.PARENT_ABORTED, message="", by="ada"), "aborted by ada"),
        (AbortFact(reason=Reason.PARENT_COMPLETED, message=""), "aborted"),
    ],
    ids=["message", "person", "nobody"],
)
def test_the_record_says_why_and_by_whom(fact: AbortFact, message: str) -> None:
    status = step(observed(abort=fact), Reconcile(), NOW).status

    assert (status.reason, status.message) == (fact.reason, message)


@pytest.mark.parametrize("traits", [REPEATABLE, ONCE, OUTSIDE], ids=["repeatable", "once", "outside"])
@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED, Phase.TIMED_OUT])
def test_what_has_ended_is_not_aborted(phase: Phase, traits: Traits) -> None:
    decision = step(observed(status=finished(phase), abort=ABORT, traits=traits), Reconcile(), NOW)

    assert (decision.status.phase, decision.write, kinds(decision)) == (phase, Write.NONE, ["ExpireAt"])


def test_an_abort_before_the_first_start_counts_no_attempt() -> None:
    status = step(observed(abort=ABORT, blocker=Blocker(reason=Reason.FORBIDDEN, message="", final=False)), Slot(), NOW)

    assert (status.status.attempt, status.status.attempts, status.status.started_at) == (None, (), None)


def test_an_error_before_the_abort_stays_in_the_record() -> None:
    failed = step(
        observed(status=running(), policy=policy(retry_limit=1)), CallEnded(Failed(code="X", message="y")), NOW
    )

    status = step(observed(status=failed.status, abort=ABORT), Reconcile(), NOW).status

    assert status.phase is Phase.ABORTED
    assert status.error is not None
    assert (status.error.code, [attempt.phase for attempt in status.attempts]) == ("X", [Phase.FAILED])
