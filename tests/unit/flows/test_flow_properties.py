"""Whatever comes in whatever order, and wherever a crash strikes: no effect is lost, repeated or another one."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.flow_runs import FlowRun, failed, program, succeeded
from taskaction.flows.effects import ActionEnded, ActionPaused, Event, StartAction
from taskaction.flows.machine import step
from taskaction.flows.pending_actions import iter_pending_actions
from taskaction.flows.state import FlowState

HALF = 0.5
GIVEN = {"items": [{"n": number} for number in range(4)], "x": 1}


def action(path: str, *, fails: bool, caught: bool) -> dict[str, Any]:
    catch = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "NEXT", "ResultPath": "$.caught"}]} if caught else {}
    body = {"fails": fails, "x.$": "$.x"}
    return {"Type": "Action", "ActionUrl": "https://target/ap", "Parameters": body, "ResultPath": path, **catch}


passes = st.just({"Type": "Pass", "Parameters": {"seen.=": "[x, rand()]"}, "ResultPath": "$.passed"})
PLACES = st.sampled_from(["$.a", "$.b.c"])
handled = st.builds(action, PLACES, fails=st.booleans(), caught=st.just(value=True))
actions = st.builds(action, PLACES, fails=st.booleans(), caught=st.booleans())


waits = st.builds(lambda seconds: {"Type": "Wait", "Seconds": seconds}, st.integers(0, 3))
asks = st.just({"Type": "AwaitWebInput", "Parameters": {"fails": False, "x.$": "$.x"}, "ResultPath": "$.asked"})


def choices(fails: bool, caught: list[str]) -> dict[str, Any]:
    """An action with several handlers, of which the first that names the error has it."""
    handlers = [{"ErrorEquals": [name], "Next": "NEXT", "ResultPath": f"$.by.{name[:6]}"} for name in caught]
    last = {"ErrorEquals": ["States.ALL"], "Next": "NEXT", "ResultPath": "$.by.all"}
    return action("$.c", fails=fails, caught=False) | {"Catch": [*handlers, last]}


ERRORS = st.lists(st.sampled_from(["ActionTimeout", "ActionFailedException", "Other"]), max_size=3)


def again(state: dict[str, Any]) -> dict[str, Any]:
    retries = [
        {"ErrorEquals": ["ActionTimeout"], "MaxAttempts": 9},
        {"ErrorEquals": ["ActionFailedException"], "MaxAttempts": 2, "JitterStrategy": "FULL"},
    ]
    return state | {"Retry": retries}


def chain(states: list[dict[str, Any]]) -> dict[str, Any]:
    """Put states one after another; a handler leads to the next one, too."""
    named = {f"S{number}": dict(state) for number, state in enumerate(states)}
    named["Last"] = {"Type": "Pass", "End": True}
    names = list(named)
    for name, following in pairwise(names):
        state = named[name]
        state["Next"] = following
        if "Catch" in state:
            state["Catch"] = [one | {"Next": following} for one in state["Catch"]]
    return {"StartAt": names[0], "States": named}


def parts(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    flows = st.lists(inner, min_size=1, max_size=2).map(chain)
    selector = {"x.$": "$._context.Map.Item.Value.n", "items.$": "$.items"}
    parallel = st.lists(flows, min_size=1, max_size=3).map(
        lambda branches: {"Type": "Parallel", "Branches": branches, "ResultPath": "$.parts"}
    )
    mapped = st.builds(
        lambda flow, most, tolerated: {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemSelector": selector,
            "ItemProcessor": flow,
            "MaxConcurrency": most,
            "ToleratedFailureCount": tolerated,
            "ResultPath": "$.mapped",
        },
        flows,
        st.integers(0, 3),
        st.sampled_from([0, 4]),
    )
    return st.one_of(parallel, mapped)


def flows(doing: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.builds(choices, st.booleans(), ERRORS)
    single = st.one_of(passes, waits, asks, several, doing, doing.map(again))
    states = st.recursive(single, lambda inner: st.one_of(inner, parts(inner)), max_leaves=4)
    return st.lists(states, min_size=1, max_size=3).map(chain)


def by_visit(effects: Iterable[StartAction]) -> dict[str, StartAction]:
    return {effect.visit: effect for effect in effects}


def ends(effect: StartAction) -> ActionEnded:
    return failed(effect) if effect.body["fails"] else succeeded(effect)


def flow_run(definition: dict[str, Any]) -> FlowRun:
    return FlowRun(program(definition["States"], definition["StartAt"]), ends)


@settings(deadline=None, max_examples=60)
@given(definition=flows(handled), luck=st.randoms(use_true_random=True))
def test_the_order_of_events_and_crashes_change_nothing(definition, luck) -> None:
    """Every failure is handled where it happens: which of several branches fails first does depend on the order."""
    plain = flow_run(definition)
    expected = plain.run(GIVEN)

    wild = flow_run(definition)
    decision = wild.begin(GIVEN)
    waiting = list(decision.effects)
    told: list[Event] = []
    while decision.outcome is None:
        assert by_visit(iter_pending_actions(wild.program, wild.state)) == by_visit(
            waiting
        )  # what a new owner finds under way
        count = luck.randint(0, len(waiting))
        luck.shuffle(waiting)
        ended = [ends(effect) for effect in waiting[:count]]
        pauses = [ActionPaused(effect.visit, luck.choice([None, {"code": "Why"}])) for effect in waiting]
        happened: list[Event] = [*ended, *(luck.sample(pauses, luck.randint(0, len(pauses))))]
        if luck.random() < HALF:
            happened += [*happened, *told]  # each comes twice, and so does what is long over
        told += ended
        if luck.random() < HALF:  # a crash before the decision is on record
            step(wild.program, wild.state, happened, wild.now)
            wild.state = FlowState.from_json(wild.state.to_json())
        waiting = waiting[count:]
        if not ended and not waiting:
            assert decision.wake_at is not None
            wild.now = max(wild.now, decision.wake_at)
        decision = wild.step(*happened)
        waiting += [effect for effect in decision.effects if isinstance(effect, StartAction)]

    assert decision.outcome == expected
    visits = [effect.visit for effect in wild.started]
    assert len(visits) == len(set(visits))
    assert {(one.visit, str(one.body)) for one in wild.started} == {(one.visit, str(one.body)) for one in plain.started}


@settings(deadline=None, max_examples=60)
@given(definition=flows(actions), luck=st.randoms(use_true_random=True))
def test_every_action_that_was_started_has_ended_or_is_stopped_when_the_run_ends(definition, luck) -> None:
    run = flow_run(definition)
    decision = run.begin(GIVEN)
    waiting, ended = list(decision.effects), set()
    while decision.outcome is None:
        happened = []
        if waiting:
            effect = waiting.pop(luck.randrange(len(waiting)))
            happened = [ends(effect)]
            ended.add(effect.visit)
        else:
            run.now = max(run.now, decision.wake_at)
        decision = run.step(*happened)
        waiting += [effect for effect in decision.effects if isinstance(effect, StartAction)]
        waiting = [effect for effect in waiting if effect.visit not in run.cancelled]
    assert {effect.visit for effect in run.started} == ended | set(run.cancelled)
    assert not ended & set(run.cancelled)


@settings(deadline=None)
@given(definition=flows(actions))
def test_a_second_look_without_news_changes_nothing(definition) -> None:
    run = flow_run(definition)
    decision = run.begin(GIVEN)
    while decision.outcome is None:
        again = step(run.program, decision.state, (), run.now)
        assert (again.state, again.effects, again.entries) == (decision.state, (), ())
        assert again.wake_at == decision.wake_at
        decision = run.go_on(decision)
    assert step(run.program, decision.state, (), run.now).outcome == decision.outcome


@pytest.mark.parametrize("private", ["_private_key", "_private"])
@given(value=st.text(min_size=5))
def test_a_state_survives_as_json(private, value) -> None:
    run = FlowRun(program({"A": action("$.a", fails=False, caught=False) | {"End": True}}))
    run.begin({private: value, "x": [1.5, None, True, {"deep": value}]})
    assert FlowState.from_json(run.state.to_json()) == run.state


def test_the_retry_of_a_branch_that_was_given_up_wakes_nobody() -> None:
    fails = action("$.a", fails=True, caught=False)
    both = {"Type": "Parallel", "Branches": [chain([fails]), chain([again(fails)])], "ResultPath": "$.parts"}
    caught = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "NEXT", "ResultPath": "$.caught"}]}
    run = flow_run(chain([both | caught, action("$.b", fails=False, caught=False)]))
    decision = run.go_on(run.begin(GIVEN))
    assert decision.state.root.at == "S1"
    assert decision.wake_at == decision.state.deadline
