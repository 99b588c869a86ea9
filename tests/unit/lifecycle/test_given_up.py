"""An attempt that is given up while its work may continue is cancelled first: no other attempt runs next to it."""

from dataclasses import replace

import pytest

from support.lifecycle import (
    ABORT,
    FOREIGN_CLAIM,
    NOT_READY,
    NOW,
    ONCE,
    OUTSIDE,
    REFUSED,
    REPEATABLE,
    UNKNOWN,
    after,
    backing_off,
    effects,
    kinds,
    observed,
    pending,
    policy,
    running,
    seconds,
)
from taskaction.api.enums import Phase, RetryClass
from taskaction.api.reasons import Reason
from taskaction.lifecycle.attempts import is_callable, is_uncalled
from taskaction.lifecycle.decisions import Call, Cancel, WakeAt, Write
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Failed, Work
from taskaction.lifecycle.state import Activity, CallEnded, CancelEnded, Observed, Reconcile, Slot
from taskaction.lifecycle.traits import Traits

ONCE_OUTSIDE = Traits(idempotent=False, external_effect=True)
TWICE = policy(retry_limit=1, retry_on=frozenset({RetryClass.ERROR, RetryClass.TIMEOUT}))
CALLING = {"activity": Activity.CALLING, "policy": TWICE}
LOST = {"lost_call": True, "taken_at": NOW, "policy": TWICE}


def failure(work: Work, **changes: object) -> Failed:
    return replace(Failed(code="Broken", message="it broke", work=work), **changes)


MAY_CONTINUE: dict[str, tuple[Observed, Work]] = {
    "a call whose effect is not known": (observed(status=running(), **CALLING), Work.UNKNOWN),
    "a poll whose effect is not known": (observed(status=pending(), **CALLING), Work.UNKNOWN),
    "work outside that could not be polled": (observed(status=pending(), **CALLING), Work.UNCHANGED),
    "a paused action that could not be polled": (observed(status=running(Phase.PAUSED), **CALLING), Work.UNCHANGED),
    "a lost call that could not be repeated": (
        observed(status=running(), activity=Activity.CALLING, **LOST),
        Work.UNCHANGED,
    ),
    "a lost call that nobody recorded": (observed(traits=REPEATABLE, **LOST), Work.UNCHANGED),
    "a lost call of a retry": (observed(status=backing_off(NOW), traits=REPEATABLE, **LOST), Work.UNCHANGED),
    "a lost call of a provider that is not ready": (
        observed(status=running(), traits=UNKNOWN, traits_known=False, **LOST),
        Work.UNCHANGED,
    ),
}
HAS_ENDED: dict[str, tuple[Observed, Work]] = {
    "the executor says so": (observed(status=pending(), **CALLING), Work.ENDED),
    "the executor says so of a lost call": (
        observed(status=running(), activity=Activity.CALLING, **LOST),
        Work.ENDED,
    ),
    "nothing was called": (observed(status=running(), **CALLING), Work.UNCHANGED),
    "nothing was started": (observed(policy=TWICE), Work.UNCHANGED),
    "the record rules a lost call out": (observed(traits=OUTSIDE, **LOST), Work.UNCHANGED),
}


@pytest.mark.parametrize(("facts", "work"), MAY_CONTINUE.values(), ids=MAY_CONTINUE)
def test_what_may_continue_is_cancelled_before_the_failure_counts(facts: Observed, work: Work) -> None:
    decision = step(facts, CallEnded(failure(work)), NOW)

    assert effects(decision, Cancel) == [Cancel(after(30), failure(work))]
    assert (decision.status.phase, decision.status.attempt) == (facts.status.phase, facts.status.attempt)


@pytest.mark.parametrize(("facts", "work"), HAS_ENDED.values(), ids=HAS_ENDED)
def test_what_has_ended_is_not_cancelled(facts: Observed, work: Work) -> None:
    decision = step(facts, CallEnded(failure(work)), NOW)

    assert effects(decision, Cancel) == []
    assert (decision.status.phase, decision.status.reason) == (Phase.QUEUED, Reason.BACKING_OFF)


@pytest.mark.parametrize(
    ("facts", "work"), [one for one in MAY_CONTINUE.values() if one[0].traits_known], ids=lambda _: ""
)
def test_a_confirmed_cancel_lets_the_next_attempt_follow(facts: Observed, work: Work) -> None:
    status = step(facts, CallEnded(failure(work)), NOW).status
    facts = facts._replace(status=status, activity=Activity.CANCELLING)

    after_cancel = step(facts, CancelEnded(failure=failure(work)), NOW).status

    last = after_cancel.attempts[-1]
    assert (after_cancel.phase, after_cancel.reason) == (Phase.QUEUED, Reason.BACKING_OFF) or last.number > 1
    assert (last.phase, last.ended_at) == (Phase.FAILED, NOW)
    assert last.error is not None
    assert last.error.code == "Broken"


def cancelling(**changes: object) -> Observed:
    return observed(**{"status": pending(), "activity": Activity.CANCELLING, "policy": TWICE, **changes})


def test_an_unconfirmed_cancel_is_repeated_only_with_permission() -> None:
    ended = CancelEnded(failure=failure(Work.UNKNOWN), problem="the work may continue")

    status = step(cancelling(), ended, NOW).status

    assert (status.phase, status.reason) == (Phase.FAILED, "Broken")
    assert status.message == (
        "it broke; the work may continue; to retry such attempts, add Interrupted to retryPolicy.retryOn"
    )
    permitted = policy(retry_limit=1, retry_on=frozenset({RetryClass.INTERRUPTED}))
    assert step(cancelling(policy=permitted), ended, NOW).status.reason == Reason.BACKING_OFF


def test_a_failure_that_no_retry_can_help_names_no_permission() -> None:
    given_up = failure(Work.UNKNOWN, retry_class=None)

    status = step(cancelling(), CancelEnded(failure=given_up, problem="the work may continue"), NOW).status

    assert status.message == "it broke; the work may continue"


def test_a_timeout_whose_cancel_is_not_confirmed_is_repeated_only_with_permission() -> None:
    bounded = replace(TWICE, attempt=seconds(1))

    decision = step(cancelling(policy=bounded), CancelEnded(problem="the work may continue"), NOW)

    assert decision.status.phase is Phase.TIMED_OUT
    assert step(cancelling(policy=bounded), CancelEnded(), NOW).status.reason == Reason.BACKING_OFF


def test_an_abort_during_the_cancel_comes_first() -> None:
    status = step(cancelling(abort=ABORT), CancelEnded(failure=failure(Work.UNKNOWN)), NOW).status

    assert (status.phase, status.message) == (Phase.ABORTED, ABORT.message)


def test_another_look_begins_no_second_cancel() -> None:
    assert effects(step(cancelling(), Reconcile(), NOW), Cancel) == []


@pytest.mark.parametrize(
    ("facts", "again"),
    [
        (observed(status=running(), traits=ONCE, **CALLING), False),
        (observed(status=running(), traits=ONCE_OUTSIDE, **CALLING), False),
        (observed(status=pending(), traits=ONCE_OUTSIDE, **CALLING), True),
        (observed(status=running(), traits=REPEATABLE, **CALLING), True),
    ],
    ids=["called once", "called once, work outside", "polled", "idempotent"],
)
def test_a_crash_during_the_cancel_repeats_no_effect(facts: Observed, again: bool) -> None:
    """The next owner calls again only what may be called again, whatever is on record by then."""
    status = step(facts, CallEnded(failure(Work.UNKNOWN)), NOW).status

    found = facts._replace(status=status, activity=Activity.IDLE, lost_call=True, taken_at=NOW)

    assert is_callable(found) is again


def test_the_id_in_a_failure_is_that_of_what_is_cancelled() -> None:
    facts = observed(status=running(), **CALLING)

    status = step(facts, CallEnded(failure(Work.UNKNOWN, external_id="job-9")), NOW).status

    assert (status.external_id, status.reason) == ("job-9", Reason.ABORTING)


# -- an attempt whose executor is not known, or was not called ---------------------------------------------------------

AWAY = {
    "status": running(claim=FOREIGN_CLAIM),
    "traits": UNKNOWN,
    "traits_known": False,
    "blocker": NOT_READY,
    "lost_call": True,
    "taken_at": after(-600),
}


@pytest.mark.parametrize("event", [Reconcile(), Slot()], ids=["look", "slot"])
def test_an_attempt_waits_for_its_provider(event: Reconcile | Slot) -> None:
    decision = step(observed(**AWAY), event, NOW)

    assert (decision.status.phase, decision.status.reason) == (Phase.RUNNING, Reason.PROVIDER_NOT_READY)
    assert decision.status.message == NOT_READY.message
    assert (decision.write, decision.effects) == (Write.LATER, ())
    again = step(observed(**AWAY | {"status": decision.status}), event, NOW)
    assert (again.status, again.write) == (decision.status, Write.NONE)


def test_the_wait_for_a_provider_ends_with_the_timeouts_of_the_action() -> None:
    facts = observed(**AWAY, policy=policy(attempt=seconds(40)))

    assert step(facts, Reconcile(), NOW).effects == (WakeAt(after(10)),)
    assert kinds(step(facts, Reconcile(), after(10))) == ["Cancel"]


def test_an_executor_that_does_not_exist_is_not_waited_for() -> None:
    decision = step(observed(**AWAY | {"blocker": REFUSED}), Reconcile(), NOW)

    assert (decision.status.phase, decision.status.reason) == (Phase.FAILED, Reason.INTERRUPTED)


def test_an_idempotent_attempt_continues_when_its_provider_is_ready() -> None:
    shown = step(observed(**AWAY), Reconcile(), NOW).status
    back = AWAY | {"status": shown, "traits": REPEATABLE, "traits_known": True, "blocker": None}

    assert kinds(step(observed(**back), Reconcile(), NOW)) == ["Enqueue"]
    decision = step(observed(**back), Slot(), NOW)

    assert effects(decision, Call) == [Call(poll=False)]
    assert (decision.status.reason, decision.status.message, decision.status.attempt) == (Reason.EXECUTING, None, 1)


def test_any_other_attempt_is_interrupted_when_its_provider_is_ready() -> None:
    back = AWAY | {"traits": ONCE, "traits_known": True, "blocker": None}

    assert step(observed(**back), Reconcile(), NOW).status.reason == Reason.INTERRUPTED


def test_an_attempt_that_its_owner_was_kept_from_calling_is_called() -> None:
    claimed = observed(status=running(), traits=ONCE)

    assert is_uncalled(claimed)
    assert kinds(step(claimed, Reconcile(), NOW)) == ["Enqueue"]
    decision = step(claimed, Slot(), NOW)
    assert (effects(decision, Call), decision.write) == ([Call(poll=False)], Write.FIRST)


@pytest.mark.parametrize(
    "changes",
    [{"lost_call": True}, {"status": running(claim=FOREIGN_CLAIM)}, {"status": running(claim=None)}],
    ids=["a lost call", "another owner's claim", "no claim"],
)
def test_an_attempt_that_may_have_been_called_is_not_repeated(changes: dict[str, object]) -> None:
    facts = observed(**{"status": running(), "traits": ONCE, "taken_at": NOW, **changes})

    for event in (Reconcile(), Slot()):
        assert step(facts, event, NOW).effects == (WakeAt(after(10)),)
        assert step(facts, event, after(10)).status.reason == Reason.INTERRUPTED
