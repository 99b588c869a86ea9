"""Whatever happens to an action, in whatever order, with crashes in between: what must hold holds after every step."""

from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from support.lifecycle import CREATED, REPEATABLE, conditions, is_finished, kinds, policy, seconds
from support.lifecycle_world import World
from taskaction.api.enums import Phase, RetryClass
from taskaction.api.task_action import TaskActionStatus
from taskaction.core.backoff import Backoff
from taskaction.lifecycle.decisions import Call, Write
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Failed, Limited, Paused, Pending, Succeeded, Work
from taskaction.lifecycle.retry_defaults import DEFAULT_RETRY_ON
from taskaction.lifecycle.state import Activity, Reconcile
from taskaction.lifecycle.traits import Traits

OUTCOMES = (
    Pending(poll_after=0.5),
    Pending(poll_after=5, external_id="job-1"),
    Pending(poll_after=60, external_id="job-2", phase=Phase.INITIALIZING),
    Paused(message="approve me"),
    Paused(message="approve me", poll_after=5),
    *(Failed(code="Broken", message="it broke", retry_class=kind) for kind in (*RetryClass, None)),
    *(Failed(code="Unsure", message="it may go on", work=work) for work in (Work.UNCHANGED, Work.UNKNOWN)),
    Failed(code="Busy", message="later", retry_class=RetryClass.RATE_LIMITED, retry_after=30),
    Limited(retry_after=5),
    Succeeded(output=1),
)
UNUSUAL = (
    *[("look",), ("signal",), ("crash",), ("suspend", True), ("suspend", False), ("provider", False)],
    *(("pass_time", length) for length in (-3.0, 0.0, 0.3, 11.0, 70.0)),
)
RARE = (("abort",), ("pass_time", 700.0))
BOUNDS = st.sampled_from([None, None, None, *map(seconds, (20, 90, 600))])
POLICIES = st.builds(
    policy,
    retry_limit=st.sampled_from([0, 1, 3, 100]),
    system_limit=st.sampled_from([None, None, 0, 2]),
    retry_on=st.sampled_from([DEFAULT_RETRY_ON, frozenset(RetryClass), frozenset({RetryClass.TIMEOUT})]),
    backoff=st.sampled_from([Backoff(initial=0, factor=1, max=0), Backoff(initial=1, factor=2, max=60, jitter=0.1)]),
    queued=BOUNDS,
    attempt=BOUNDS,
    total=BOUNDS,
)
TRAITS = st.builds(Traits, idempotent=st.booleans(), external_effect=st.booleans())
CLOCKS_DIFFER = 5.0
ENDS = 300  # more steps than any policy above allows

quick = settings(max_examples=100, deadline=None)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Give a world in which much has happened."""
    latest = draw(st.sampled_from([None, None, None, 10, 100]))
    not_after = None if latest is None else CREATED + seconds(latest)
    world = World(draw(POLICIES), draw(TRAITS), not_after=not_after, child=draw(st.sampled_from([False, False, True])))
    for luck in draw(st.lists(st.integers(0, 9), min_size=20, max_size=60)):
        moves = next_moves(world) if luck < 8 else UNUSUAL if luck < 9 else (*UNUSUAL, *RARE)
        name, *arguments = draw(st.sampled_from(moves))
        getattr(world, name)(*arguments)
    return world


def next_moves(world: World) -> tuple[tuple[object, ...], ...]:
    """Give what the world would do next by itself."""
    if world.calling and world.facts.activity is Activity.CALLING:
        return tuple(("end_call", outcome) for outcome in OUTCOMES)
    if world.facts.activity is Activity.CANCELLING:
        return ("end_cancel",), ("end_call", Succeeded(output=1)), ("pass_time", 2.0)
    if world.facts.activity is Activity.QUEUED:
        return (("work",),)
    if world.held_back:
        return ("parent",), ("suspend", False), ("provider", True)
    return ("pass_time", 1.0 if world.due_in is None else world.due_in), ("signal",)


def let_go_on(world: World, outcome: Succeeded | Pending) -> int:
    """Take away what holds the action back and let time pass; give how many steps its end took."""
    world.suspend(False)
    world.provider(True)
    for count in range(ENDS):
        if world.status.phase.is_terminal:
            return count
        if world.held_back:
            world.parent()
        elif world.facts.activity is Activity.QUEUED:
            world.work()
        elif world.facts.activity is Activity.CANCELLING:
            world.end_cancel()
        elif world.calling:
            world.end_call(outcome)
            world.pass_time(1)
        elif world.due_in is None and world.status.phase is Phase.PAUSED:
            world.signal()
        else:
            assert world.due_in is not None, "nobody will ever look at the action again"
            world.pass_time(max(world.due_in, 0.001))
    return ENDS


def phases_go_back_only_when_the_attempt_has_ended(world: World) -> None:
    for taken in world.steps:
        before, after = taken.facts.status, taken.decision.status
        if before.phase.is_started and not after.phase.is_started:
            assert after.attempts[-1].ended_at is not None
            assert after.attempts[-1].phase.is_terminal
        assert after.phase.is_started == bool(after.attempts and after.attempts[-1].ended_at is None)


def a_terminal_status_stays_as_it_is(world: World) -> None:
    for before, after in pairwise(world.steps):
        if before.decision.status.phase.is_terminal:
            assert after.decision.status == before.decision.status
            assert after.decision.write is Write.NONE
            assert not any(isinstance(effect, Call) for effect in after.decision.effects)


def a_terminal_status_can_be_waited_for(world: World) -> None:
    for taken in world.steps:
        status = taken.decision.status
        assert (status.finished_at is not None) == status.phase.is_terminal == is_finished(status)
        if taken.decision.write is not Write.NONE and status.phase.is_terminal:
            assert status.observed_generation == taken.facts.generation
            assert conditions(status)["Succeeded"] == str(status.phase is Phase.SUCCEEDED)


def attempts_are_bounded_by_the_retry_policy_and_counted_one_by_one(world: World) -> None:
    for taken in world.steps:
        before, after = taken.facts.status.attempt or 0, taken.decision.status.attempt or 0
        assert before <= after <= before + 1
        limits = taken.facts.policy
        assert after <= limits.retry_limit + 1 + (limits.system_limit or 0)
        opened = after > before
        assert opened == (Call(poll=False) in taken.decision.effects and not taken.facts.status.phase.is_started)


def every_status_fits_the_schema(world: World) -> None:
    for taken in world.steps:
        status = taken.decision.status
        assert TaskActionStatus.model_validate(status.to_json()).phase is status.phase
        assert len(status.history) <= 32
        assert len(status.attempts) <= 10


def an_effect_that_must_not_be_repeated_is_not(world: World) -> None:
    limited = sum(
        1 for taken in world.steps if isinstance(getattr(taken.event, "outcome", None), Limited)
    )  # an executor that met a limit has started nothing

    for attempt, calls in world.executed.items():
        assert attempt >= 1
        if not world.traits.idempotent:
            assert calls <= 1 + limited


def a_claim_never_falls_back_to_a_former_owner(world: World) -> None:
    for taken in world.steps:
        before, after = taken.facts.status.claim, taken.decision.status.claim
        if before is not None:
            assert after is not None
            assert after.epoch >= before.epoch
        if any(isinstance(effect, Call) for effect in taken.decision.effects):
            assert after is not None
            assert (after.holder, after.epoch) == (taken.facts.owner.holder, taken.facts.owner.epoch)


def an_effect_outside_is_under_the_finalizer_from_before_the_call_until_the_end(world: World) -> None:
    for taken in world.steps:
        names = kinds(taken.decision)
        if "Call" in names and taken.facts.traits.external_effect and not taken.facts.status.phase.is_started:
            assert taken.facts.has_finalizer or names.index("AddFinalizer") < names.index("Call")
        assert ("RemoveFinalizer" in names) == (taken.facts.has_finalizer and taken.decision.status.phase.is_terminal)


def no_decision_asks_to_be_woken_in_the_past(world: World) -> None:
    for taken in world.steps:
        for effect in taken.decision.effects:
            if hasattr(effect, "at") and not taken.decision.status.phase.is_terminal:
                assert effect.at >= taken.now


def what_may_run_on_is_cancelled_or_named_as_unknown(world: World) -> None:
    if world.status.phase.is_terminal and world.outside and world.set_back <= CLOCKS_DIFFER:
        assert "effect is unknown" in (world.status.message or "")


def no_attempt_runs_next_to_the_work_of_another(world: World) -> None:
    permitted = RetryClass.INTERRUPTED in world.facts.policy.retry_on or not world.traits.idempotent
    assert not world.overlaps or permitted or world.set_back > CLOCKS_DIFFER


HOLDS = (
    phases_go_back_only_when_the_attempt_has_ended,
    a_terminal_status_stays_as_it_is,
    a_terminal_status_can_be_waited_for,
    attempts_are_bounded_by_the_retry_policy_and_counted_one_by_one,
    every_status_fits_the_schema,
    an_effect_that_must_not_be_repeated_is_not,
    a_claim_never_falls_back_to_a_former_owner,
    an_effect_outside_is_under_the_finalizer_from_before_the_call_until_the_end,
    no_decision_asks_to_be_woken_in_the_past,
    what_may_run_on_is_cancelled_or_named_as_unknown,
    no_attempt_runs_next_to_the_work_of_another,
)


@settings(max_examples=200, deadline=None)
@given(world=worlds())
def test_after_every_step_of_any_history_what_must_hold_holds(world: World) -> None:
    """All of it is asked of the same histories: to make them costs more than to look at them."""
    for holds in HOLDS:
        holds(world)


@quick
@given(world=worlds())
def test_a_second_look_changes_nothing(world: World) -> None:
    world.look()
    first = world.facts

    again = step(first, Reconcile(), world.now)

    if first.activity is not Activity.CANCELLING:  # the second look shows that the executor has been told
        assert (again.status, again.write) == (first.status, Write.NONE)
    assert not {"Enqueue", "Dequeue", "Cancel", "RecordEvent", "Call"} & set(kinds(again))


@quick
@given(world=worlds())
def test_an_action_that_may_go_on_is_never_forgotten(world: World) -> None:
    waits_for_a_person = world.status.phase is Phase.PAUSED
    busy = world.calling or world.facts.activity in {Activity.QUEUED, Activity.CANCELLING}

    looked_at = world.due_in is not None or world.held_back
    assert busy or looked_at or waits_for_a_person or world.status.phase.is_terminal


@quick
@given(world=worlds())
def test_every_action_ends_when_its_executor_does(world: World) -> None:
    assert let_go_on(world, Succeeded()) < ENDS


@quick
@given(world=worlds(), bound=st.sampled_from([1.0, 90.0]))
def test_every_action_with_a_total_bound_ends_though_its_executor_does_not(world: World, bound: float) -> None:
    world.facts = world.facts._replace(policy=policy(total=world.now - CREATED + seconds(bound)))

    assert let_go_on(world, Pending(poll_after=1000.0)) < ENDS


@pytest.mark.parametrize("limit", [0, 1, 7])
def test_a_failing_action_uses_up_its_attempts_and_ends(limit: int) -> None:
    world = World(policy(retry_limit=limit), REPEATABLE, child=False)

    while not world.status.phase.is_terminal:
        world.work()
        world.end_call(Failed(code="Broken", message="it broke"))
        world.pass_time(120)

    assert world.executed == dict.fromkeys(range(1, limit + 2), 1)
    assert (world.status.phase, world.status.attempt) == (Phase.FAILED, limit + 1)
