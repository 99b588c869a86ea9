"""Parallel and Map: how many parts are under way, what they see, and what comes of them."""

from typing import Any

import pytest

from support.flow_runs import END, FlowRun, action, failed, program, run, succeeded
from taskaction.flows.effects import ActionEnded, StartAction


def test_branches_run_side_by_side_and_their_results_are_in_order() -> None:
    branches = [
        {"StartAt": "B", "States": {"B": action(Parameters={"n": number}, ResultPath="$.r", **END)}}
        for number in range(3)
    ]
    flow = FlowRun(program({"P": {"Type": "Parallel", "Branches": branches, **END}}), forgets=True)
    decision = flow.begin({"x": 1})
    visits = [one.visit for one in flow.started]
    assert visits == ["1.0.1", "1.1.1", "1.2.1"]
    ends = [succeeded(effect) for effect in decision.effects]
    flow.step(ends[2])
    flow.step(ends[0], ends[0])
    outcome = flow.step(ends[1]).outcome
    assert [one["r"]["details"]["n"] for one in outcome.output] == [0, 1, 2]
    assert all(one["x"] == 1 for one in outcome.output)


def test_a_branch_that_fails_stops_the_others_and_can_be_caught() -> None:
    branches = [{"StartAt": "B", "States": {"B": action(Parameters={"n": number}, **END)}} for number in range(3)]
    catch = [{"ErrorEquals": ["ActionFailedException"], "Next": "C", "ResultPath": "$.why"}]
    states = {"P": {"Type": "Parallel", "Branches": branches, "Catch": catch, **END}, "C": {"Type": "Pass", **END}}
    flow = FlowRun(program(states), forgets=True)
    decision = flow.begin({"x": 1})
    outcome = flow.step(failed(decision.effects[1])).outcome
    assert outcome.output["why"]["Error"] == "ActionFailedException"
    assert flow.cancelled == ["1.0.1", "1.2.1"]


def mapping(**fields: Any) -> dict[str, Any]:
    processor = {"StartAt": "I", "States": {"I": action(InputPath="$", Parameters=None, ResultPath="$.r", **END)}}
    processor["States"]["I"].pop("Parameters")
    return {"M": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor, **fields, **END}}


ONE_PASS = {"StartAt": "I", "States": {"I": {"Type": "Pass", **END}}}


def test_items_are_done_a_few_at_a_time_and_results_are_in_order() -> None:
    flow = FlowRun(program(mapping(MaxConcurrency=2, ResultPath="$.all")), forgets=True)
    decision = flow.begin({"items": [{"n": number} for number in range(5)]})
    most = 0
    waiting = list(decision.effects)
    while decision.outcome is None:
        most = max(most, len(waiting))
        decision = flow.step(succeeded(waiting.pop()))
        waiting += decision.effects
    assert most == 2
    assert [one["r"]["details"]["n"] for one in decision.outcome.output["all"]] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("tolerated", "bad", "expected"),
    [(0, 1, "ActionFailedException"), (1, 1, None), (1, 2, "States.ExceedToleratedFailureThreshold")],
)
def test_as_many_items_may_fail_as_the_flow_tolerates(tolerated, bad, expected) -> None:
    def ends(effect: StartAction) -> ActionEnded:
        return failed(effect) if effect.body["n"] < bad else succeeded(effect)

    flow = FlowRun(program(mapping(ToleratedFailureCount=tolerated)), ends, forgets=True)
    outcome = flow.run({"items": [{"n": number} for number in range(4)]})
    assert (outcome.failure.error if outcome.failure else None) == expected
    if expected is None:
        assert outcome.output[0]["Error"] == "ActionFailedException"


@pytest.mark.parametrize(
    ("limits", "bad", "fails"),
    [
        ({"ToleratedFailurePercentage": 50}, 2, False),
        ({"ToleratedFailurePercentage": 49.9}, 2, True),
        ({"ToleratedFailureCount": 3, "ToleratedFailurePercentage": 25}, 2, True),
        ({"ToleratedFailureCount": 1, "ToleratedFailurePercentage": 100}, 2, True),
        ({"ToleratedFailureCount": 2, "ToleratedFailurePercentage": 100}, 2, False),
        ({"ToleratedFailurePercentage": 100}, 4, False),
        ({}, 1, True),
    ],
)
def test_the_stricter_of_both_limits_counts(limits, bad, fails) -> None:
    def ends(effect: StartAction) -> ActionEnded:
        return failed(effect) if effect.body["n"] < bad else succeeded(effect)

    outcome = FlowRun(program(mapping(**limits)), ends).run({"items": [{"n": number} for number in range(4)]})
    assert (outcome.failure is not None) is fails


def test_a_map_goes_over_a_state_that_is_a_list() -> None:
    selector = {"v.$": "$._context.Map.Item.Value", "n.=": "_context.Map.Item.Index + 1"}
    states = {
        "M": {"Type": "Map", "ItemSelector": selector, "ItemProcessor": ONE_PASS, **END},
    }
    assert run(states, ["a", "b"]) == [{"v": "a", "n": 1}, {"v": "b", "n": 2}]


def test_an_item_selector_sees_the_item_and_its_place() -> None:
    selector = {"v.$": "$._context.Map.Item.Value", "i.$": "$._context.Map.Item.Index", "all.$": "$.x"}
    processor = {"StartAt": "I", "States": {"I": {"Type": "Pass", **END}}}
    states = {
        "M": {"Type": "Map", "ItemsPath": "$.l", "ItemSelector": selector, "ItemProcessor": processor, **END},
    }
    assert run(states, {"l": ["a", "b"], "x": 1}) == [{"v": "a", "i": 0, "all": 1}, {"v": "b", "i": 1, "all": 1}]


def test_the_input_path_of_a_map_selects_what_its_other_paths_read() -> None:
    selector = {"v.$": "$._context.Map.Item.Value", "of.$": "$.name", "all.=": "len(list)"}
    states = {
        "M": {
            "Type": "Map",
            "InputPath": "$.order",
            "ItemsPath": "$.list",
            "ItemSelector": selector,
            "MaxConcurrencyPath": "$.most",
            "ItemProcessor": ONE_PASS,
            "ResultPath": "$.done",
            **END,
        }
    }
    order = {"list": ["a", "b"], "name": "x", "most": 1.0}
    done = [{"v": "a", "of": "x", "all": 2}, {"v": "b", "of": "x", "all": 2}]
    assert run(states, {"order": order, "name": "y"}) == {"order": order, "name": "y", "done": done}


def test_a_map_over_its_whole_input_path() -> None:
    states = {"M": {"Type": "Map", "InputPath": "$.l[*].n", "ItemProcessor": ONE_PASS, **END}}
    assert run(states, {"l": [{"n": 1}, {"n": 2}]}) == [1, 2]


def test_a_private_input_path_keeps_its_items_private() -> None:
    states = {"M": {"Type": "Map", "InputPath": "$._private_box", "ItemsPath": "$.l", "ItemProcessor": ONE_PASS, **END}}
    assert "hunter2" not in str(run(states, {"_private_box": {"l": ["hunter2"]}}))


def test_the_concurrency_may_be_in_the_state_of_the_flow() -> None:
    flow = FlowRun(program(mapping(MaxConcurrencyPath="$.most")), forgets=True)
    decision = flow.begin({"items": [{"n": number} for number in range(5)], "most": 2})
    assert len(decision.effects) == 2


@pytest.mark.parametrize(
    ("field", "limit", "bad", "fails"),
    [
        ("ToleratedFailureCountPath", 1, 1, False),
        ("ToleratedFailureCountPath", 1, 2, True),
        ("ToleratedFailureCountPath", 0, 1, True),
        ("ToleratedFailurePercentagePath", 49.9, 2, True),
        ("ToleratedFailurePercentagePath", 50, 2, False),
    ],
)
def test_the_tolerated_failures_may_be_in_the_state_of_the_flow(field, limit, bad, fails) -> None:
    def ends(effect: StartAction) -> ActionEnded:
        return failed(effect) if effect.body["n"] < bad else succeeded(effect)

    flow = FlowRun(program(mapping(**{field: "$.limit"})), ends, forgets=True)
    outcome = flow.run({"items": [{"n": number} for number in range(4)], "limit": limit})
    assert (outcome.failure is not None) is fails


@pytest.mark.parametrize(
    ("field", "limit", "why"),
    [
        ("MaxConcurrencyPath", 1.5, "$.limit is not a whole number from 0 to 10000, which MaxConcurrencyPath requires"),
        ("MaxConcurrencyPath", 10_001, "from 0 to 10000"),
        ("ToleratedFailureCountPath", -1, "is not a whole number"),
        ("ToleratedFailureCountPath", True, "is not a whole number"),
        ("ToleratedFailurePercentagePath", 101, "is not a number from 0 to 100"),
        ("ToleratedFailurePercentagePath", "5", "is not a number"),
        ("ToleratedFailurePercentagePath", None, "is not a number"),
    ],
)
def test_a_limit_that_is_no_such_number_fails_the_state(field, limit, why) -> None:
    failure = run(mapping(**{field: "$.limit"}), {"items": [{"n": 1}], "limit": limit})
    assert (failure.error, failure.state_name) == ("States.Runtime", "M")
    assert why in failure.cause


def test_items_that_are_no_list_fail_the_state() -> None:
    assert "not a list" in run(mapping(), {"items": 5}).cause
