"""What a terminal status holds, and what follows it: the finalizer goes, people are told, the object expires."""

import pytest

from support.lifecycle import (
    ABORT,
    BROKEN,
    NOW,
    OUTSIDE,
    after,
    conditions,
    effects,
    finished,
    is_finished,
    kinds,
    observed,
    pending,
    policy,
    running,
    seconds,
    spec,
    waiting,
)
from taskaction.api.enums import ChildPolicy, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Link, TaskActionSpec, TaskActionStatus
from taskaction.lifecycle.decisions import ExpireAt, RecordEvent, RemoveFinalizer, Write
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Paused, Pending, Succeeded
from taskaction.lifecycle.policy import Settings, policy_for
from taskaction.lifecycle.state import Activity, CallEnded, CancelEnded, Event, Observed, Reconcile, Slot

FINISHED = [phase for phase in Phase if phase.is_terminal]
ENDINGS: dict[str, tuple[Observed, Event, Phase]] = {
    "succeeded": (observed(status=running(), activity=Activity.CALLING), CallEnded(Succeeded()), Phase.SUCCEEDED),
    "failed": (observed(status=running(), activity=Activity.CALLING), CallEnded(BROKEN), Phase.FAILED),
    "aborted": (observed(status=running(), activity=Activity.CANCELLING, abort=ABORT), CancelEnded(), Phase.ABORTED),
    "too-late": (observed(status=running(), policy=policy(attempt=seconds(1))), Reconcile(), Phase.TIMED_OUT),
    "never-started": (observed(abort=ABORT), Reconcile(), Phase.ABORTED),
}
every_ending = pytest.mark.parametrize(("facts", "event", "phase"), ENDINGS.values(), ids=ENDINGS)


@every_ending
def test_an_end_is_written_at_once_with_its_time_and_generation(facts: Observed, event: Event, phase: Phase) -> None:
    newer = facts._replace(generation=7)

    decision = step(newer, event, NOW)

    assert decision.write is Write.NOW
    assert (decision.status.phase, decision.status.finished_at) == (phase, NOW)
    assert decision.status.observed_generation == 7
    assert {condition.observed_generation for condition in decision.status.conditions} == {None}, "that of the status"


@every_ending
def test_the_conditions_say_how_it_ended(facts: Observed, event: Event, phase: Phase) -> None:
    status = step(facts, event, NOW).status
    failed = {} if phase is Phase.SUCCEEDED else {"Failed": "True"}

    assert is_finished(status)
    assert conditions(status) == {"Succeeded": str(phase is Phase.SUCCEEDED), **failed, "Finished": "True"}
    assert {condition.reason for condition in status.conditions} == {status.reason}


@every_ending
def test_no_attempt_is_left_open(facts: Observed, event: Event, phase: Phase) -> None:
    status = step(facts, event, NOW).status

    assert [(attempt.phase, attempt.ended_at) for attempt in status.attempts] == [(phase, NOW)] * len(status.attempts)
    assert status.next_attempt_at is None


@every_ending
def test_the_history_ends_with_the_end(facts: Observed, event: Event, phase: Phase) -> None:
    status = step(facts, event, NOW).status

    assert (status.history[-1].phase, status.history[-1].at) == (phase, NOW)
    assert status.history[-1].reason == status.reason


@every_ending
def test_an_ended_object_expires_after_its_time(facts: Observed, event: Event, phase: Phase) -> None:
    assert effects(step(facts, event, NOW), ExpireAt) == [ExpireAt(NOW + facts.policy.ttl)]


@every_ending
@pytest.mark.parametrize("held", [True, False])
def test_the_finalizer_goes_with_the_end(facts: Observed, event: Event, phase: Phase, held: bool) -> None:
    facts = facts._replace(has_finalizer=held)

    assert effects(step(facts, event, NOW), RemoveFinalizer) == ([RemoveFinalizer()] if held else [])


@every_ending
def test_people_are_told_of_what_did_not_succeed(facts: Observed, event: Event, phase: Phase) -> None:
    decision = step(facts, event, NOW)

    told = effects(decision, RecordEvent)
    assert len(told) == (0 if phase is Phase.SUCCEEDED else 1)
    assert all(tell.reason == decision.status.reason for tell in told)
    assert all(tell.warning is (phase is not Phase.ABORTED) for tell in told)


def test_a_success_keeps_its_output_and_its_links() -> None:
    link = Link(name="console", url="https://target.example/7")
    facts = observed(status=pending(links=(link,)), activity=Activity.CALLING)

    status = step(facts, CallEnded(Succeeded(output=[1], output_uri="s3://out", message="built")), NOW).status

    assert (status.output, status.output_uri, status.message) == ([1], "s3://out", "built")
    assert (status.links, status.external_id) == ((link,), "job-7")
    assert status.attempts[-1].external_id == "job-7"


@pytest.mark.parametrize("output", [0, False, "", [], {}])
def test_an_output_that_is_empty_is_still_an_output(output: object) -> None:
    assert step(observed(status=running()), CallEnded(Succeeded(output=output)), NOW).status.output == output


# -- after the end --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [Reconcile(), Slot(), CancelEnded()], ids=["look", "slot", "stopped"])
@pytest.mark.parametrize("phase", FINISHED)
def test_a_restart_after_the_end_finishes_what_was_left_to_do(phase: Phase, event: Event) -> None:
    decision = step(observed(status=finished(phase), has_finalizer=True, traits=OUTSIDE), event, after(3600))

    assert decision.write is Write.NONE
    assert decision.effects == (RemoveFinalizer(), ExpireAt(NOW + seconds(3600)))


@pytest.mark.parametrize("phase", FINISHED)
def test_suspending_what_has_ended_changes_nothing(phase: Phase) -> None:
    facts = observed(status=finished(phase), spec=spec(suspend=True))

    decision = step(facts, Reconcile(), NOW)

    assert (decision.status, decision.write, kinds(decision)) == (facts.status, Write.NONE, ["ExpireAt"])


def test_an_end_without_a_time_expires_by_its_creation() -> None:
    facts = observed(status=finished(Phase.FAILED, finished_at=None))

    assert step(facts, Reconcile(), NOW).effects == (ExpireAt(facts.created + seconds(3600)),)


@pytest.mark.parametrize(("said", "kept"), [(None, 7200), (0, 0), (60, 60)])
def test_the_time_to_keep_is_the_actions_own_or_the_operators(said: int | None, kept: int) -> None:
    kept_for = policy_for(spec(ttl_seconds_after_finished=said), None, Settings(ttl=seconds(7200)))

    decision = step(observed(status=finished(Phase.SUCCEEDED), policy=kept_for), Reconcile(), NOW)

    assert decision.effects == (ExpireAt(after(kept)),)


@pytest.mark.parametrize(("said", "holds"), [(None, ChildPolicy.KEEP), *((policy, policy) for policy in ChildPolicy)])
def test_children_are_left_alone_unless_the_action_says_otherwise(said: ChildPolicy | None, holds: ChildPolicy) -> None:
    assert policy_for(TaskActionSpec(child_policy=said), None, Settings()).child_policy is holds


# -- the record as a whole ------------------------------------------------------------------------------------------


def test_a_condition_moves_only_when_it_flips() -> None:
    queued = step(observed(spec=spec(suspend=True), status=waiting()), Reconcile(), NOW).status
    begun = step(observed(status=queued), Slot(), after(5)).status

    paused = step(observed(status=begun), CallEnded(Paused(message="", reason=Reason.PAUSED)), after(7)).status
    ended = step(observed(status=paused, activity=Activity.WAITING), CallEnded(BROKEN), after(9)).status

    assert {condition.last_transition_time for condition in ended.conditions} == {after(9)}
    assert {condition.last_transition_time for condition in paused.conditions} == {after(5), NOW}
    assert {condition.type: condition.last_transition_time for condition in begun.conditions} == {
        "Progressing": after(5),
        "Finished": NOW,
    }


def test_a_new_message_within_a_phase_makes_no_history() -> None:
    first = step(observed(status=running()), CallEnded(Pending(poll_after=1, message="building")), NOW).status
    again = step(observed(status=first), CallEnded(Pending(poll_after=1, message="testing")), after(1)).status

    assert (again.message, again.history) == ("testing", first.history)


def test_a_status_without_conditions_gets_them() -> None:
    shown = step(observed(spec=spec(suspend=True)), Reconcile(), NOW).status

    mended = step(
        observed(spec=spec(suspend=True), status=shown.model_copy(update={"conditions": ()})), Reconcile(), NOW
    )

    assert mended.status == shown


def test_the_history_keeps_the_last_changes_only() -> None:
    status = running()
    for number in range(40):
        facts = observed(status=status, spec=spec(suspend=False), policy=policy(retry_limit=100))
        failed = step(facts, CallEnded(BROKEN), after(number * 600))
        status = step(observed(status=failed.status), Slot(), after(number * 600 + 300)).status

    assert len(status.history) == 32
    assert status.history[-1].at == after(39 * 600 + 300)
    assert len(status.attempts) == 10


@every_ending
def test_the_record_reads_back_as_it_was_written(facts: Observed, event: Event, phase: Phase) -> None:
    status = step(facts, event, NOW).status

    assert TaskActionStatus.model_validate(status.to_json()) == status
