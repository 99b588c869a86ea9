"""Each bound on an action's life fires by itself, once, with a reason of its own, and some stand still on suspend."""

from datetime import datetime, timedelta

import pytest

from support.lifecycle import (
    BROKEN,
    CREATED,
    NOW,
    REPEATABLE,
    STARTED,
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
from taskaction.api.enums import ErrorKind, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Attempt, TaskActionStatus
from taskaction.lifecycle import deadlines
from taskaction.lifecycle.decisions import Call, Cancel, Dequeue, WakeAt, Write
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Paused, Pending, Succeeded
from taskaction.lifecycle.policy import Policy
from taskaction.lifecycle.state import Activity, CallEnded, CancelEnded, Observed, Reconcile, Slot
from taskaction.lifecycle.traits import Traits

REPORTING = Traits(idempotent=True, external_effect=False, reports_start=True, extra_cancel_grace=seconds(30))


def began(phase: Phase = Phase.RUNNING, **moments: datetime) -> TaskActionStatus:
    """Give the status of an attempt whose executor has reported how far its work is."""
    return running(phase, attempts=(Attempt(number=1, phase=Phase.RUNNING, started_at=CREATED, **moments),))


FIRES = {
    "running": (observed(status=running(), policy=policy(running=seconds(30))), Reason.ATTEMPT_TIMEOUT),
    "running-reported": (
        observed(status=began(running_at=after(-5)), policy=policy(running=seconds(5)), traits=REPORTING),
        Reason.ATTEMPT_TIMEOUT,
    ),
    "waiting": (observed(policy=policy(waiting=seconds(60))), Reason.QUEUED_TIMEOUT),
    "waiting-in-a-later-attempt": (
        observed(status=backing_off(after(-5), queued_at=after(-5)), policy=policy(waiting=seconds(5))),
        Reason.QUEUED_TIMEOUT,
    ),
    "waiting-for-a-node": (
        observed(status=began(Phase.INITIALIZING), policy=policy(waiting=seconds(60)), traits=REPORTING),
        Reason.QUEUED_TIMEOUT,
    ),
    "queued": (observed(policy=policy(queued=seconds(60))), Reason.QUEUED_TIMEOUT),
    "total-in-the-queue": (observed(policy=policy(total=seconds(60))), Reason.TOTAL_TIMEOUT),
    "total-in-an-attempt": (observed(status=running(), policy=policy(total=seconds(60))), Reason.TOTAL_TIMEOUT),
    "total-between-attempts": (
        observed(status=backing_off(after(5)), policy=policy(total=seconds(60))),
        Reason.TOTAL_TIMEOUT,
    ),
    "attempt": (observed(status=running(), policy=policy(attempt=seconds(30))), Reason.ATTEMPT_TIMEOUT),
}


@pytest.mark.parametrize("event", [Reconcile(), Slot()], ids=["look", "slot"])
@pytest.mark.parametrize("bound", FIRES)
def test_a_bound_fires_when_it_is_reached(bound: str, event: Reconcile | Slot) -> None:
    facts, reason = FIRES[bound]

    status = step(facts, event, NOW).status

    assert (status.phase, status.reason) == (Phase.TIMED_OUT, reason)
    assert status.error is not None
    assert (status.error.code, status.error.kind) == (reason, ErrorKind.USER)


@pytest.mark.parametrize("activity", [Activity.WAITING, Activity.IDLE], ids=["as before", "after a restart"])
def test_a_paused_attempt_is_cancelled_when_a_bound_is_reached(activity: Activity) -> None:
    facts = observed(status=running(Phase.PAUSED), policy=policy(attempt=seconds(30)), activity=activity)

    decision = step(facts, Reconcile(), NOW)
    assert any(isinstance(effect, Cancel) for effect in decision.effects)

    cancelling = facts._replace(status=decision.status, activity=Activity.CANCELLING)
    status = step(cancelling, CancelEnded(), NOW).status
    assert (status.phase, status.reason) == (Phase.TIMED_OUT, Reason.ATTEMPT_TIMEOUT)


@pytest.mark.parametrize("bound", FIRES)
def test_a_bound_waits_until_then_and_asks_for_a_look_at_that_moment(bound: str) -> None:
    facts, _ = FIRES[bound]

    decision = step(facts, Reconcile(), after(-1))

    assert not decision.status.phase.is_terminal
    assert WakeAt(NOW) in decision.effects


@pytest.mark.parametrize(
    ("status", "bounds"),
    [
        pytest.param(began(Phase.INITIALIZING), {"running": seconds(1)}, id="not running yet"),
        pytest.param(began(Phase.INITIALIZING, initializing_at=after(-9)), {"running": seconds(1)}, id="initializing"),
        pytest.param(
            began(Phase.INITIALIZING, initializing_at=after(-9)), {"waiting": seconds(1)}, id="has a node already"
        ),
        pytest.param(running(), {"waiting": seconds(1)}, id="an executor that reports no start has started"),
        pytest.param(backing_off(after(5), queued_at=after(5)), {"waiting": seconds(1)}, id="the backoff is no wait"),
    ],
)
def test_running_counts_no_wait_and_waiting_no_start(status: TaskActionStatus, bounds: dict[str, timedelta]) -> None:
    traits = REPEATABLE if status.attempts[-1].started_at == STARTED else REPORTING
    facts = observed(status=status, policy=policy(**bounds), traits=traits, activity=Activity.CALLING)

    assert deadlines.expired_bound(facts, NOW) is None


REPORTS = [
    (Pending(poll_after=1, phase=Phase.INITIALIZING, waits=True), None, None),
    (Pending(poll_after=1, phase=None), None, None),
    (Pending(poll_after=1, phase=Phase.INITIALIZING), NOW, None),
    (Pending(poll_after=1), NOW, NOW),
    (Paused(message="asks"), NOW, NOW),
]


@pytest.mark.parametrize(("outcome", "initializing", "runs"), REPORTS)
def test_the_record_says_when_the_work_had_room_and_when_it_ran(
    outcome: Pending | Paused, initializing: datetime | None, runs: datetime | None
) -> None:
    facts = observed(status=began(Phase.INITIALIZING), traits=REPORTING, activity=Activity.CALLING)

    status = step(facts, CallEnded(outcome), NOW).status
    last = status.attempts[-1]
    again = step(facts._replace(status=status), CallEnded(outcome), after(9)).status.attempts[-1]

    assert (last.initializing_at, last.running_at) == (initializing, runs)
    assert again == last


def test_an_attempt_that_waited_too_long_is_retried_and_leaves_the_queue() -> None:
    late = observed(policy=policy(waiting=seconds(60), retry_limit=1), activity=Activity.QUEUED)

    decision = step(late, Reconcile(), NOW)
    status = decision.status

    assert (status.phase, status.reason, status.attempts[-1].phase) == (Phase.QUEUED, "BackingOff", Phase.TIMED_OUT)
    assert status.queued_at == status.next_attempt_at > NOW
    assert effects(decision, Dequeue)


def test_f05_a_cancel_that_takes_long_is_shown_at_once_with_its_cause() -> None:
    late = observed(
        status=began(running_at=after(-5)),
        policy=policy(running=seconds(5)),
        traits=REPORTING,
        activity=Activity.WAITING,
    )

    decision = step(late, Reconcile(), NOW)

    assert decision.write is Write.NOW
    assert decision.status.reason == Reason.ABORTING
    assert "timeouts.running (5s)" in (decision.status.message or "")


@pytest.mark.parametrize("event", [Reconcile(), Slot()], ids=["look", "slot"])
def test_an_action_never_starts_after_its_latest_start(event: Reconcile | Slot) -> None:
    late = observed(spec=spec(not_after=after(-0.001)))

    decision = step(late, event, NOW)

    assert (decision.status.phase, decision.status.reason) == (Phase.TIMED_OUT, Reason.START_DEADLINE_EXCEEDED)
    assert effects(decision, Call) == []


def test_an_action_may_start_at_its_latest_start_and_later_be_repeated() -> None:
    facts = observed(spec=spec(not_after=NOW))

    assert effects(step(facts, Slot(), NOW), Call) == [Call(poll=False)]
    retried = observed(spec=spec(not_after=after(-1)), status=backing_off(NOW))
    assert effects(step(retried, Slot(), NOW), Call) == [Call(poll=False)]


def test_queued_counts_only_until_the_first_start() -> None:
    bounds = policy(queued=seconds(1), retry_limit=1)

    assert step(observed(status=backing_off(after(5)), policy=bounds), Reconcile(), NOW).status.phase is Phase.QUEUED
    assert step(observed(status=running(), policy=bounds), Reconcile(), NOW).status.phase is Phase.RUNNING


@pytest.mark.parametrize("bounds", [policy(queued=seconds(60)), policy(total=seconds(60))], ids=["queued", "total"])
def test_a_bound_stands_still_while_the_action_is_suspended(bounds: Policy) -> None:
    held = observed(spec=spec(suspend=True), policy=bounds, status=waiting(suspended_at=after(-20)))
    decision = step(held, Reconcile(), after(1000))
    assert (decision.status.phase, decision.status.reason) == (Phase.QUEUED, Reason.SUSPENDED)
    assert effects(decision, WakeAt) == []

    freed = step(observed(policy=bounds, status=decision.status), Reconcile(), after(1000))
    assert freed.write is Write.NOW
    assert (freed.status.suspended_at, freed.status.suspended_seconds) == (None, 1020)
    assert effects(freed, WakeAt) == [WakeAt(after(1020))]

    assert step(observed(policy=bounds, status=freed.status), Reconcile(), after(1019)).status.phase is Phase.QUEUED
    assert step(observed(policy=bounds, status=freed.status), Reconcile(), after(1020)).status.phase is Phase.TIMED_OUT


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [(policy(queued=seconds(60)), Reason.QUEUED_TIMEOUT), (policy(total=seconds(60)), Reason.TOTAL_TIMEOUT)],
    ids=["queued", "total"],
)
def test_a_bound_that_passed_before_a_suspension_fires_when_the_action_could_start_again(
    bounds: Policy, reason: Reason
) -> None:
    held = step(observed(spec=spec(suspend=True), policy=bounds), Reconcile(), after(1))
    assert held.status.reason == Reason.SUSPENDED

    assert step(observed(policy=bounds, status=held.status), Reconcile(), after(2)).status.reason == reason


def test_times_of_suspension_add_up() -> None:
    status = waiting(suspended_at=after(-10), suspended_seconds=7.5)

    assert deadlines.suspended_duration(observed(status=status), NOW) == seconds(17.5)


def test_a_clock_that_jumps_back_takes_no_suspension_away() -> None:
    status = waiting(suspended_at=after(10), suspended_seconds=7.5)

    assert deadlines.suspended_duration(observed(status=status), NOW) == seconds(7.5)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (observed(spec=spec(suspend=True, not_after=after(-1))), Reason.START_DEADLINE_EXCEEDED),
        (
            observed(spec=spec(suspend=True), status=running(), policy=policy(attempt=seconds(30))),
            Reason.ATTEMPT_TIMEOUT,
        ),
    ],
    ids=["notAfter", "attempt"],
)
def test_the_clock_of_the_wall_and_of_a_running_attempt_go_on(facts: Observed, reason: Reason) -> None:
    assert step(facts, Reconcile(), NOW).status.reason == reason


@pytest.mark.parametrize("activity", [Activity.CALLING, Activity.WAITING])
@pytest.mark.parametrize("bounds", [policy(attempt=seconds(30)), policy(total=seconds(60))], ids=["attempt", "total"])
def test_a_late_attempt_is_cancelled_before_it_is_recorded(bounds: Policy, activity: Activity) -> None:
    facts = observed(status=running(), policy=bounds, activity=activity)

    decision = step(facts, Reconcile(), NOW)

    assert (decision.status.reason, decision.status.attempts) == (Reason.ABORTING, facts.status.attempts)
    assert (decision.write, decision.effects) == (Write.LATER, (Cancel(after(30)),))


@pytest.mark.parametrize("bounds", [policy(attempt=seconds(30)), policy(total=seconds(60))], ids=["attempt", "total"])
def test_looks_during_a_cancel_ask_for_no_look_in_the_past(bounds: Policy) -> None:
    facts = observed(status=running(), policy=bounds, activity=Activity.CANCELLING)

    assert effects(step(facts, Reconcile(), after(1)), WakeAt) == []


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [(policy(attempt=seconds(30)), Reason.ATTEMPT_TIMEOUT), (policy(total=seconds(60)), Reason.TOTAL_TIMEOUT)],
    ids=["attempt", "total"],
)
@pytest.mark.parametrize("suspend", [False, True], ids=["going-on", "suspended-meanwhile"])
def test_a_stopped_attempt_says_which_bound_it_was(bounds: Policy, reason: Reason, suspend: bool) -> None:
    facts = observed(status=running(), policy=bounds, activity=Activity.CANCELLING, spec=spec(suspend=suspend))

    status = step(facts, CancelEnded(), after(5)).status

    assert (status.phase, status.reason) == (Phase.TIMED_OUT, reason)


def test_a_success_after_the_bound_counts() -> None:
    facts = observed(status=running(), policy=policy(attempt=seconds(1), total=seconds(1)), activity=Activity.CALLING)

    assert step(facts, CallEnded(Succeeded()), NOW).status.phase is Phase.SUCCEEDED


def test_a_poll_that_returns_after_the_bound_leads_to_a_cancel() -> None:
    facts = observed(status=pending(), policy=policy(attempt=seconds(30)), activity=Activity.CALLING)

    decision = step(facts, CallEnded(Pending(poll_after=5)), NOW)

    assert effects(decision, Cancel) == [Cancel(after(30))]


def test_a_failure_after_the_total_bound_is_a_timeout() -> None:
    facts = observed(status=running(), policy=policy(total=seconds(60), retry_limit=3), activity=Activity.CALLING)

    assert step(facts, CallEnded(BROKEN), NOW).status.reason == Reason.TOTAL_TIMEOUT


def test_the_total_bound_is_named_before_the_others() -> None:
    all_late = policy(queued=seconds(1), total=seconds(1))

    assert step(observed(policy=all_late, spec=spec(not_after=CREATED)), Reconcile(), NOW).status.reason == (
        Reason.TOTAL_TIMEOUT
    )


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (observed(status=running()), None),
        (observed(status=running(), policy=policy(attempt=seconds(40))), STARTED + seconds(40)),
        (observed(status=running(), policy=policy(attempt=seconds(400), total=seconds(90))), CREATED + seconds(90)),
        (observed(status=waiting(), policy=policy(attempt=seconds(40))), None),
    ],
    ids=["none", "attempt", "total-is-earlier", "not-started"],
)
def test_an_executor_is_told_the_earlier_bound(facts: Observed, expected: datetime | None) -> None:
    assert deadlines.call_deadline(facts, NOW) == expected
