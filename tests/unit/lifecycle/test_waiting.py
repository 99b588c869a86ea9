"""What people see of an action that waits for a limit, and how seldom that is written."""

import pytest

from support.lifecycle import NOW, after, observed, policy, running, seconds, spec, waiting
from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskActionStatus
from taskaction.lifecycle.decisions import Decision, Dequeue, Enqueue, Park, WakeAt, Write
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Limited
from taskaction.lifecycle.state import Activity, CallEnded, Observed, QueueFull, Reconcile, Slot

FULL = QueueFull(message="100 wait already", refused=False)


def limited(facts: Observed, wait: float = 60.0, *, now=NOW) -> Decision:
    return step(facts, CallEnded(Limited(retry_after=wait, message="quota", key="api")), now)


def limited_status() -> TaskActionStatus:
    return limited(observed()).status


def test_a_limited_action_gives_its_worker_back_and_shows_until_when_it_waits() -> None:
    decision = limited(observed())

    status = decision.status
    assert (status.phase, status.reason) == (Phase.WAITING_FOR_RESOURCES, Reason.RATE_LIMITED)
    assert status.message == "quota until 2026-01-01T12:02:00.000Z"
    assert (status.attempt, status.next_attempt_at) == (None, after(60))
    assert (decision.write, decision.effects) == (Write.LATER, (Park(after(60), "api"),))


@pytest.mark.parametrize(
    ("later", "wait", "write"),
    [
        pytest.param(10, 50.0, Write.NONE, id="the same time"),
        pytest.param(10, 51.3, Write.NONE, id="a slightly other time"),
        pytest.param(10, 3600.0, Write.NONE, id="a longer time while the shown one is to come"),
        pytest.param(60, 10.0, Write.LATER, id="still, when the shown time has come"),
    ],
)
def test_the_time_that_is_shown_changes_once_it_has_come_and_not_with_every_answer(later, wait, write) -> None:
    facts = observed(status=limited_status())

    decision = limited(facts, wait, now=after(later))

    assert decision.write is write
    assert decision.effects == (Park(after(later + wait), "api"),), "yet it is looked at when the target says"


def test_a_limited_action_asks_again_after_a_restart_whatever_time_it_shows() -> None:
    facts = observed(status=limited_status())

    assert step(facts, Reconcile(), after(1)).effects == (Enqueue(),)
    assert step(facts, Slot(), after(1)).status.phase is Phase.RUNNING


def test_a_parked_action_stays_where_it_is() -> None:
    facts = observed(status=limited_status(), activity=Activity.PARKED)

    assert step(facts, Reconcile(), after(1)) == Decision(status=facts.status)


def test_a_parked_action_that_is_suspended_waits_for_nothing_any_more() -> None:
    facts = observed(status=limited_status(), activity=Activity.PARKED, spec=spec(suspend=True))

    decision = step(facts, Reconcile(), after(1))

    assert (decision.status.reason, decision.status.next_attempt_at) == (Reason.SUSPENDED, None)
    assert Dequeue() in decision.effects


def test_a_bound_still_holds_while_an_action_is_parked() -> None:
    assert WakeAt(after(30)) in limited(observed(policy=policy(queued=seconds(90)))).effects


def test_an_attempt_under_way_that_meets_a_limit_is_polled_later() -> None:
    facts = observed(status=running(), activity=Activity.CALLING)

    assert limited(facts).status is facts.status


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        pytest.param({"queue_full": FULL}, Reason.QUEUE_FULL, id="a full queue"),
        pytest.param({"limited_until": after(30)}, Reason.RATE_LIMITED, id="a rate"),
    ],
)
def test_what_a_queued_action_waits_for_is_shown_before_long(facts, reason) -> None:
    decision = step(observed(activity=Activity.QUEUED, **facts), Reconcile(), NOW)

    assert (decision.status.phase, decision.status.reason) == (Phase.WAITING_FOR_RESOURCES, reason)
    assert decision.write is Write.LATER
    again = step(observed(status=decision.status, activity=Activity.QUEUED, **facts), Reconcile(), after(1))
    assert again.write is Write.NONE


def test_an_action_that_was_let_into_the_queue_is_shown_as_queued_again() -> None:
    outside = step(observed(activity=Activity.QUEUED, queue_full=FULL), Reconcile(), NOW).status

    decision = step(observed(status=outside, activity=Activity.QUEUED), Reconcile(), after(5))

    assert (decision.status.phase, decision.status.reason, decision.write) == (Phase.QUEUED, Reason.QUEUED, Write.LATER)


def test_a_rate_whose_time_has_come_is_not_shown_any_more() -> None:
    decision = step(observed(status=waiting(), activity=Activity.QUEUED, limited_until=after(-1)), Reconcile(), NOW)

    assert decision.write is Write.NONE


def test_an_action_that_is_refused_fails_with_the_field_and_nothing_is_started() -> None:
    full = QueueFull(message="limits.maxQueued: 100 wait already", refused=True)

    status = step(observed(activity=Activity.QUEUED, queue_full=full), Reconcile(), NOW).status

    assert (status.phase, status.reason, status.message) == (Phase.FAILED, Reason.QUEUE_FULL, full.message)
    assert status.attempts == ()
