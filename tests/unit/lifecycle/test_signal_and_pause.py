"""What goes on outside or waits for a person: polls, pauses, signals and suspension, without a worker held."""

import math
from datetime import timedelta

import pytest

from support.lifecycle import (
    BROKEN,
    CREATED,
    NOW,
    ONCE,
    OUTSIDE,
    REPEATABLE,
    after,
    backing_off,
    conditions,
    effects,
    kinds,
    observed,
    pending,
    policy,
    running,
    spec,
    waiting,
)
from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Link, Progress, TaskActionStatus
from taskaction.lifecycle.decisions import Call, Enqueue, PollAt, RecordEvent, Write
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Limited, Outcome, Paused, Pending
from taskaction.lifecycle.state import Activity, CallEnded, Reconcile, Slot
from taskaction.lifecycle.traits import Traits

LINK = Link(name="console", url="https://target.example/7")
PAUSED = Paused(message="approve me", reason=Reason.WAITING_FOR_SIGNAL)
PENDING = Pending(poll_after=5)


def called(outcome: Outcome, status: TaskActionStatus | None = None, **changes: object):
    facts = observed(status=status or running(), activity=Activity.CALLING, **changes)
    return step(facts, CallEnded(outcome), NOW)


def test_what_was_started_outside_is_polled_later() -> None:
    decision = called(Pending(poll_after=5, external_id="job-8", message="building", links=(LINK,)))

    status = decision.status
    assert (status.phase, status.reason, status.message) == (Phase.RUNNING, Reason.WAITING_FOR_COMPLETION, "building")
    assert (status.external_id, status.links) == ("job-8", (LINK,))
    assert decision.effects == (PollAt(after(5)),)


@pytest.mark.parametrize(
    ("traits", "write"),
    [(ONCE, Write.NOW), (OUTSIDE, Write.NOW), (REPEATABLE, Write.LATER)],
    ids=["not idempotent", "to be cancelled", "found again by calling again"],
)
def test_a_new_id_is_durable_at_once_where_it_would_be_missed(traits: Traits, write: Write) -> None:
    assert called(Pending(poll_after=5, external_id="job-8"), traits=traits).write is write


def test_progress_is_written_when_convenient() -> None:
    assert called(Pending(poll_after=5, progress=Progress(percent=50)), pending(), traits=ONCE).write is Write.LATER


@pytest.mark.parametrize("kind", ["pending", "paused"])
def test_what_the_target_says_of_the_work_is_kept_until_it_says_something_else(kind: str) -> None:
    def outcome(output: object) -> Outcome:
        return Pending(poll_after=5, output=output) if kind == "pending" else Paused(message="", output=output)

    first = called(outcome({"done": 1}), traits=ONCE).status
    assert first.output == {"done": 1}
    second = called(outcome({"done": 2}), first, traits=ONCE).status
    assert second.output == {"done": 2}
    assert called(outcome(None), second, traits=ONCE).status.output == {"done": 2}


def test_a_poll_that_brings_nothing_new_writes_nothing() -> None:
    first = called(Pending(poll_after=5, external_id="job-7", message="building"))
    again = called(Pending(poll_after=5, message="building"), first.status)

    assert (again.write, again.effects) == (Write.NONE, (PollAt(after(5)),))
    assert again.status is first.status


def test_a_poll_keeps_what_it_does_not_mention() -> None:
    known = pending(links=(LINK,), progress=Progress(percent=40))

    status = called(PENDING, known).status

    assert (status.external_id, status.links, status.progress) == ("job-7", (LINK,), Progress(percent=40))


@pytest.mark.parametrize(
    ("said", "entered"),
    [
        (Phase.RUNNING, Phase.RUNNING),
        (Phase.INITIALIZING, Phase.INITIALIZING),
        (Phase.PAUSED, Phase.PAUSED),
        (Phase.QUEUED, Phase.RUNNING),
        (Phase.SUCCEEDED, Phase.RUNNING),
    ],
)
def test_pending_enters_only_phases_of_an_attempt(said: Phase, entered: Phase) -> None:
    assert called(Pending(poll_after=5, phase=said)).status.phase is entered


@pytest.mark.parametrize(("asked", "wait"), [(0.0, 0.0), (-1.0, 0.0), (math.nan, 0.0), (math.inf, 31_536_000)])
def test_a_senseless_time_to_poll_does_no_harm(asked: float, wait: float) -> None:
    for outcome in (Pending(poll_after=asked), Paused(message="", poll_after=asked), Limited(retry_after=asked)):
        assert effects(called(outcome), PollAt) == [PollAt(after(wait))]


def test_a_pause_is_shown_at_once_and_waits_without_a_poll() -> None:
    decision = called(PAUSED)

    assert (decision.status.phase, decision.status.reason) == (Phase.PAUSED, Reason.WAITING_FOR_SIGNAL)
    assert (decision.write, effects(decision, PollAt)) == (Write.NOW, [])
    assert conditions(decision.status) == {"Progressing": "True", "Finished": "False"}


def test_a_pause_may_ask_for_a_poll() -> None:
    assert effects(called(Paused(message="approve me", poll_after=30)), PollAt) == [PollAt(after(30))]


def test_people_are_told_of_a_pause_once() -> None:
    paused = called(PAUSED)

    assert effects(paused, RecordEvent) == [
        RecordEvent(warning=False, reason=Reason.WAITING_FOR_SIGNAL, message=PAUSED.message)
    ]
    assert effects(called(PAUSED, paused.status), RecordEvent) == []


def test_a_paused_attempt_goes_on_in_the_same_attempt() -> None:
    paused = called(PAUSED).status

    status = called(PENDING, paused).status

    assert (status.phase, status.attempt) == (Phase.RUNNING, 1)
    assert [entry.phase for entry in status.history] == [Phase.PAUSED, Phase.RUNNING]


@pytest.mark.parametrize("status", [running(Phase.PAUSED), pending()], ids=["paused", "pending"])
@pytest.mark.parametrize("traits", [REPEATABLE, ONCE, OUTSIDE], ids=["repeatable", "once", "outside"])
def test_a_signal_wakes_an_attempt_that_waits(status: TaskActionStatus, traits: Traits) -> None:
    facts = {"status": status, "activity": Activity.WAITING, "traits": traits}

    assert step(observed(**facts), Reconcile(), NOW).effects == ()
    assert step(observed(**facts, signalled=True), Reconcile(), NOW).effects == (Enqueue(),)
    assert step(observed(**facts, signalled=True), Slot(), NOW).effects == (Call(poll=True),)


@pytest.mark.parametrize("outcome", [PAUSED, PENDING], ids=["paused", "pending"])
def test_a_signal_that_comes_during_a_call_is_not_lost(outcome: Outcome) -> None:
    assert called(outcome, signalled=True).effects == (Enqueue(),)


@pytest.mark.parametrize("activity", [Activity.QUEUED, Activity.CALLING, Activity.CANCELLING])
def test_a_signal_does_not_queue_twice(activity: Activity) -> None:
    facts = observed(status=running(Phase.PAUSED), activity=activity, signalled=True)

    assert step(facts, Reconcile(), NOW).effects == ()


def test_a_signal_starts_nothing_that_is_held_back() -> None:
    facts = observed(status=backing_off(after(5)), signalled=True)

    assert effects(step(facts, Reconcile(), NOW), Enqueue) == []


def test_a_limit_met_during_a_poll_puts_the_poll_off() -> None:
    decision = called(Limited(retry_after=4), pending())

    assert (decision.write, decision.effects) == (Write.NONE, (PollAt(after(4)),))
    assert decision.status.phase is Phase.RUNNING


# -- suspension -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [waiting(), backing_off(after(-1))], ids=["never-started", "between-attempts"])
@pytest.mark.parametrize("event", [Reconcile(), Slot()], ids=["look", "slot"])
def test_no_attempt_starts_while_suspended(status: TaskActionStatus, event: Reconcile | Slot) -> None:
    decision = step(observed(spec=spec(suspend=True), status=status), event, NOW)

    assert (effects(decision, Call), effects(decision, Enqueue)) == ([], [])
    assert (decision.status.reason, decision.status.suspended_at) == (Reason.SUSPENDED, NOW)
    assert conditions(decision.status)["Progressing"] == "False"


def test_what_was_created_suspended_has_been_so_since_its_creation() -> None:
    bounds = policy(queued=timedelta(seconds=1))
    facts = observed(spec=spec(suspend=True), generation=1, policy=bounds)
    seen_late = step(facts, Reconcile(), after(5)).status
    assert seen_late.suspended_at == CREATED

    freed = step(facts._replace(spec=spec(), generation=2, status=seen_late), Reconcile(), after(9))
    assert (freed.status.phase, kinds(freed)) == (Phase.QUEUED, ["Enqueue", "WakeAt"])


def test_a_running_attempt_goes_on_while_suspended_and_the_time_is_kept() -> None:
    decision = step(observed(spec=spec(suspend=True), status=running(), activity=Activity.CALLING), Reconcile(), NOW)

    assert (decision.status.phase, decision.status.reason) == (Phase.RUNNING, Reason.EXECUTING)
    assert (decision.status.suspended_at, decision.write) == (NOW, Write.NOW)


def test_a_waiting_attempt_is_polled_while_suspended() -> None:
    facts = observed(spec=spec(suspend=True), status=pending(suspended_at=NOW))

    assert step(facts, Slot(), after(1)).effects == (Call(poll=True),)


def test_the_attempt_after_a_failure_waits_for_the_end_of_the_suspension() -> None:
    suspended = {"spec": spec(suspend=True), "policy": policy(retry_limit=1)}
    failed = step(observed(**suspended, status=running(), activity=Activity.CALLING), CallEnded(BROKEN), NOW)
    assert (failed.status.phase, failed.status.suspended_at) == (Phase.QUEUED, NOW)

    held = step(observed(**suspended, status=failed.status), Reconcile(), after(60))
    assert held.status.reason == Reason.SUSPENDED

    freed = step(observed(status=held.status), Reconcile(), after(90))
    assert freed.effects == (Enqueue(),)
    assert (freed.status.suspended_at, freed.status.suspended_seconds) == (None, 90)


def test_an_end_during_a_suspension_leaves_no_suspension_behind() -> None:
    facts = observed(spec=spec(suspend=True), status=running(suspended_at=after(-5)), activity=Activity.CALLING)

    status = step(facts, CallEnded(BROKEN), NOW).status

    assert (status.phase, status.suspended_at) == (Phase.FAILED, None)
