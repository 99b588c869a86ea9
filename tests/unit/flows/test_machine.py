"""What runs do, state by state."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from support.flow_runs import END, FlowRun, action, failed, program, run, status, succeeded
from taskaction.flows.budget import QUICK_STEP, VALUE_UNITS, StepLimits, StepTooCostlyError
from taskaction.flows.effects import ActionEnded, ActionPaused, Canceled, DataLimitExceeded, StartAction
from taskaction.flows.machine import PAUSE, initial_state, step
from taskaction.flows.state import Failure, FlowState
from taskaction.testing.clock import START


@pytest.mark.parametrize(
    ("states", "given", "expected"),
    [
        pytest.param({"A": {"Type": "Pass", **END}}, {"x": 1}, {"x": 1}, id="pass as it is"),
        pytest.param({"A": {"Type": "Pass", "Result": {"y": 2}, **END}}, {"x": 1}, {"y": 2}, id="pass a constant"),
        pytest.param(
            {"A": {"Type": "Pass", "Result": {"y": 2}, "ResultPath": "$.a.b", **END}},
            {"x": 1},
            {"x": 1, "a": {"b": {"y": 2}}},
            id="objects in between are made",
        ),
        pytest.param(
            {"A": {"Type": "Pass", "InputPath": "$.x", "ResultPath": "$.z", **END}},
            {"x": [1]},
            {"x": [1], "z": [1]},
            id="input path",
        ),
        pytest.param(
            {"A": {"Type": "Pass", "Parameters": {"n.=": "x + 1", "m.$": "$.x"}, **END}},
            {"x": 1},
            {"n": 2, "m": 1},
            id="parameters",
        ),
        pytest.param(
            {"A": {"Type": "ExpressionEval", "Parameters": {"n.=": "x * 2"}, "ResultPath": "$.r", **END}},
            {"x": 4},
            {"x": 4, "r": {"n": 8}},
            id="expression",
        ),
        pytest.param(
            {"A": {"Type": "Pass", "Result": 1, "ResultPath": None, **END}}, {"x": 1}, {"x": 1}, id="discarded"
        ),
    ],
)
def test_states_that_only_compute(states, given, expected) -> None:
    assert run(states, given) == expected


def test_a_choice_and_a_loop_count_to_three() -> None:
    states = {
        "Count": {"Type": "ExpressionEval", "Parameters": {"n.=": "i.n + 1"}, "ResultPath": "$.i", "Next": "Enough?"},
        "Enough?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.i.n", "NumericGreaterThanEquals": 3, "Next": "Done"}],
            "Default": "Count",
        },
        "Done": {"Type": "Pass", **END},
    }
    assert run(states, {"i": {"n": 0}}) == {"i": {"n": 3}}


def test_a_choice_that_nothing_matches_fails_the_run() -> None:
    states = {
        "A": {"Type": "Choice", "Choices": [{"Variable": "$.x", "NumericEquals": 1, "Next": "B"}]},
        "B": {"Type": "Pass", **END},
    }
    assert run(states, {"x": 2}).error == "States.NoChoiceMatched"


def test_an_action_s_status_is_put_where_it_belongs_with_the_state_s_name() -> None:
    flow = FlowRun(program({"Copy": action(Parameters={"a.$": "$.x"}, ResultPath="$.done", **END)}), forgets=True)
    output = flow.run({"x": 5}).output
    assert output["done"] == status("1", "SUCCEEDED", {"a": 5}) | {"state_name": "Copy"}
    assert flow.codes == ["FlowStarted", "ActionStarted", "ActionCompleted", "FlowSucceeded"]
    assert [(one.visit, one.url, one.wait_time, one.run_as) for one in flow.started] == [
        ("1", "https://target/ap", 300, "User")
    ]


def test_by_default_a_result_replaces_everything() -> None:
    assert "x" not in run({"A": action(**END)}, {"x": 1})


def test_a_failed_action_fails_the_run_with_its_status() -> None:
    failure = run({"A": action(**END)}, behaviour=failed)
    assert (failure.error, failure.state_name) == ("ActionFailedException", "A")
    assert failure.cause["details"] == {"description": "it broke"}


def test_a_failed_action_is_a_result_like_any_where_the_flow_says_so() -> None:
    output = run({"A": action(ExceptionOnActionFailure=False, ResultPath="$.r", **END)}, behaviour=failed)
    assert output["r"]["status"] == "FAILED"


@pytest.mark.parametrize(
    ("errors", "error", "caught"),
    [
        (["ActionFailedException"], None, True),
        (["States.ALL"], None, True),
        (["ActionTimeout"], None, False),
        (["ActionTimeout", "ActionUnableToRun"], "ActionUnableToRun", True),
        (["States.ALL"], "States.Runtime", False),
        (["States.Runtime"], "States.Runtime", True),
    ],
)
def test_the_first_handler_that_names_the_error_catches_it(errors, error, caught) -> None:
    states = {
        "A": action(
            Catch=[
                {"ErrorEquals": ["Other"], "Next": "B"},
                {"ErrorEquals": errors, "Next": "C", "ResultPath": "$.why"},
            ],
            **END,
        ),
        "B": {"Type": "Pass", **END},
        "C": {"Type": "Pass", **END},
    }

    def ends(effect: StartAction) -> ActionEnded:
        return failed(effect) if error is None else ActionEnded(effect.visit, {}, error=error, cause="because")

    result = run(states, {"x": 1}, behaviour=ends)
    assert isinstance(result, Failure) is not caught
    if caught:
        assert result["x"] == 1
        assert result["why"]["Error"] == (error or "ActionFailedException")
        assert result["why"]["Cause"] == ("because" if error else "it broke")
        assert ("details" in result["why"]) is (error is None)


def test_a_path_that_leads_nowhere_fails_the_run_and_names_what_there_is() -> None:
    failure = run({"A": {"Type": "Pass", "Parameters": {"a.$": "$.input.y"}, **END}}, {"input": {"x": 1}})
    assert failure.error == "States.Runtime"
    assert "$.input.y" in failure.cause
    assert "'y' beside x" in failure.cause


def test_a_fail_state_gives_its_error_and_cause_by_value_or_path() -> None:
    assert run({"A": {"Type": "Fail", "Error": "Mine", "Cause": "so"}}) == Failure(
        error="Mine", cause="so", state_name="A"
    )
    found = run({"A": {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "$.c"}}, {"e": "Yours", "c": "not so"})
    assert (found.error, found.cause) == ("Yours", "not so")


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        ({"Seconds": 30}, 30),
        ({"SecondsPath": "$.s"}, 7),
        ({"Timestamp": (START + timedelta(seconds=90)).isoformat()}, 90),
        ({"TimestampPath": "$.t"}, 60),
        ({"Timestamp": "2001-01-01T00:00:00Z"}, 0),
    ],
)
def test_a_wait_is_over_in_time(wait, seconds) -> None:
    flow = FlowRun(program({"A": {"Type": "Wait", **wait, **END}}), forgets=True)
    given = {"s": 7, "t": (START + timedelta(seconds=60)).isoformat()}
    assert flow.run(given).output == given
    assert flow.now == START + timedelta(seconds=seconds)


def test_a_failed_state_is_tried_again_with_growing_pauses_and_a_new_action_each_time() -> None:
    retry = [{"ErrorEquals": ["ActionFailedException"], "IntervalSeconds": 2, "MaxAttempts": 2, "BackoffRate": 3}]
    flow = FlowRun(program({"A": action(Retry=retry, **END)}), failed, forgets=True)
    assert flow.run().failure is not None
    assert [one.visit for one in flow.started] == ["1", "2", "3"]
    assert flow.now == START + timedelta(seconds=2 + 6)


def test_the_name_of_an_error_is_a_string() -> None:
    failure = run({"A": {"Type": "Fail", "ErrorPath": "$.x"}}, {"x": {"y": 1}})
    assert (failure.error, failure.cause) == (
        "States.Runtime",
        "ErrorPath must refer to a string, the name of the error",
    )


def test_pauses_grow_to_the_longest_and_no_further_however_often_a_state_is_tried() -> None:
    retry = {"ErrorEquals": ["States.ALL"], "BackoffRate": 100, "MaxDelaySeconds": 1, "MaxAttempts": 400}
    flow = FlowRun(program({"A": action(Retry=[retry], **END)}), failed)
    assert flow.run().failure.error == "ActionFailedException"
    assert len(flow.started) == 401
    assert flow.now == START + timedelta(seconds=400)


def test_the_context_is_no_part_of_what_a_state_is_given() -> None:
    states = {
        "A": {"Type": "Pass", "InputPath": "$", "ResultPath": "$.copy", "Next": "B"},
        "B": action(Parameters=None, InputPath="$", ResultPath=None, **END),
    }
    flow = FlowRun(program(states))
    assert flow.run({"x": 1}, {"email": "ann@x"}).output == {"x": 1, "copy": {"x": 1}}
    assert flow.started[0].body == {"x": 1, "copy": {"x": 1}}


def test_a_paused_action_makes_the_run_inactive_until_it_goes_on() -> None:
    flow = FlowRun(program({"A": action(**END)}), forgets=True)
    flow.begin()
    flow.step(ActionPaused("1", {"code": "ConsentRequired"}))
    assert flow.state.status == "INACTIVE"
    flow.step(ActionPaused("1", None))
    assert flow.state.status == "ACTIVE"
    assert flow.step(succeeded(flow.started[0])).state.status == "SUCCEEDED"


def test_a_canceled_run_stops_its_actions_and_stays_canceled() -> None:
    flow = FlowRun(program({"A": action(**END)}), forgets=True)
    flow.begin()
    decision = flow.step(Canceled("enough"))
    assert (flow.cancelled, decision.outcome.canceled, decision.outcome.failure.cause) == (["1"], True, "enough")
    assert flow.codes[-1] == "FlowCanceled"
    late = flow.step(succeeded(flow.started[0]))
    assert (late.effects, late.outcome) == ((), decision.outcome)


def test_a_run_that_takes_too_long_fails_and_stops_its_actions() -> None:
    flow = FlowRun(program({"A": action(**END)}, TimeoutSeconds=60), lambda _: None, forgets=True)
    assert flow.run().failure.error == "States.Timeout"
    assert flow.cancelled == ["1"]


def test_a_state_that_grows_too_large_fails_the_run_by_its_name() -> None:
    flow = FlowRun(
        program(
            {"A": action(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "B"}], **END), "B": {"Type": "Pass", **END}}
        )
    )
    flow.begin()
    assert flow.step(DataLimitExceeded("more than 200 KB")).outcome.failure.error == "States.DataLimitExceeded"


@pytest.mark.parametrize(
    ("grows", "why"),
    [
        ({"Parameters": {"a.$": "$.x", "b.$": "$.x"}}, "larger than 10000000 bytes"),
        ({"Parameters": {"text.=": "x.text + x.text"}}, "characters"),
        ({"Parameters": {"a.=": "[x, x]"}}, "too many steps"),
        ({"InputPath": "$"}, "more than 100 levels deep"),
    ],
)
def test_a_loop_that_makes_the_state_grow_without_end_fails_at_once(grows, why) -> None:
    """What is shared is counted as often as it is written, before anything unfolds it."""
    states = {"A": {"Type": "Pass", "ResultPath": "$.x", **grows, "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}
    failure = run(states, {"x": {"text": "0123456789" * 1_000, "numbers": [0] * 1_000}})
    assert failure.error in {"States.DataLimitExceeded", "States.Runtime"}
    assert why in failure.cause


def test_many_small_results_that_are_too_much_together_fail_the_run_and_start_nothing() -> None:
    start = {"Type": "Map", "ItemsPath": "$.items", "ItemSelector": {"all.$": "$"}, "ResultPath": "$.r"}
    inside = {"StartAt": "I", "States": {"I": action(**END)}}
    flow = FlowRun(program({"M": start | {"ItemProcessor": inside} | END}))
    decision = flow.begin({"items": ["0123456789" * 20] * 900})
    assert decision.outcome.failure.error == "States.DataLimitExceeded"
    assert decision.effects == ()
    assert [entry.code for entry in decision.entries] == ["FlowFailed"]


def test_a_step_ends_early_where_its_states_are_dear() -> None:
    dear = {"Type": "Pass", "Parameters": {"n.$": "$..n"}, "ResultPath": "$.r"}
    flow = FlowRun(program({"A": dear | {"Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}))
    decision = flow.begin({"items": list(range(10_000))})
    assert decision.wake_at == START + PAUSE
    assert flow.codes.count("PassStarted") < 50


def test_a_quick_step_ends_after_fewer_states_and_refuses_costly_ones() -> None:
    looping = program({"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}})
    begun = step(looping, initial_state(looping, "run-1", {}, {}, START), (), START, QUICK_STEP)
    assert 0 < begun.state.entered <= QUICK_STEP.states + 1
    assert begun.wake_at == START + PAUSE

    costly = program({"A": {"Type": "Pass", "Parameters": {"n.=": "len(items)"}, **END}})
    state = initial_state(costly, "run-1", {"items": list(range(100_000))}, {}, START)
    with pytest.raises(StepTooCostlyError):
        step(costly, state, (), START, QUICK_STEP)
    assert step(costly, state, (), START).outcome is not None


ENDS = {"StartAt": "P", "States": {"P": {"Type": "Pass", **END}}}
TWICE = {"a.$": "$", "b.$": "$"}
DOUBLING = {
    "the state of the flow": {"Parameters": TWICE},
    "a part of parameters": {"Parameters": {"q": TWICE}},
    "a list of an expression": {"Parameters": {"x.=": "[x, x]"}},
    "a part of the state": {"Parameters": TWICE, "ResultPath": "$.x"},
    "a private part": {"Parameters": {"_private_a.$": "$", "b.$": "$"}, "ResultPath": "$._private_x"},
    "many times": {"Parameters": {f"k{number}.$": "$" for number in range(50)}},
}


def count_values(document: Any) -> int:
    """Give the number of values in a document."""
    inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return 1 + sum(map(count_values, inner))


@pytest.mark.parametrize("growing", DOUBLING.values(), ids=DOUBLING)
def test_a_quick_step_reads_few_values_of_a_state_that_doubles(growing: dict[str, Any]) -> None:
    state = {"Type": "Pass", **growing}
    doubling = program({"A": {**state, "Next": "B"}, "B": {**state, "Next": "A"}})
    now, read = initial_state(doubling, "run-1", {"x": [1]}, {}, START), []
    with suppress(StepTooCostlyError):
        for _ in range(100):
            decision = step(doubling, now, (), START, QUICK_STEP)
            now, read = decision.state, [*read, sum(count_values(entry.details) for entry in decision.entries)]
    assert len(read) < 100, "no step was too costly"
    assert max(read, default=0) <= 2 * QUICK_STEP.units // VALUE_UNITS


LARGE = {
    "Pass": {"Type": "Pass", **END},
    "Choice": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "A"}]},
    "Wait": {"Type": "Wait", "Seconds": 1, **END},
    "Action": action(Parameters={"n.$": "$.n"}) | END,
    "Parallel": {"Type": "Parallel", "Branches": [ENDS], **END},
    "Map": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": ENDS, **END},
    "Fail": {"Type": "Fail", "Error": "E", "Cause": "c"},
}


@pytest.mark.parametrize("state", LARGE.values(), ids=LARGE)
def test_no_quick_step_reads_a_large_state_of_the_flow(state: dict[str, Any]) -> None:
    large = program({"A": state})
    now = initial_state(large, "run-1", {"n": 1, "items": list(range(20_000))}, {}, START)
    with pytest.raises(StepTooCostlyError):
        step(large, now, (), START, QUICK_STEP)


def test_no_quick_step_reads_a_large_result() -> None:
    acting = program({"A": action() | END})
    decision = step(acting, initial_state(acting, "run-1", {}, {}, START), (), START, QUICK_STEP)
    (effect,) = decision.effects
    with pytest.raises(StepTooCostlyError):
        step(acting, decision.state, [succeeded(effect, {"items": list(range(20_000))})], START, QUICK_STEP)


ENDLESS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}}
CAUGHT = {"ErrorEquals": ["States.ALL"], "Next": "M"}
LOOPS = {
    "a loop": ENDLESS["States"],
    "a loop within a state that catches everything": {
        "M": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": ENDLESS, "Catch": [CAUGHT], **END}
    },
}


@pytest.mark.parametrize("states", LOOPS.values(), ids=LOOPS)
def test_a_run_enters_a_bounded_number_of_states_in_all_its_steps(states: dict[str, Any]) -> None:
    looping = program(states)
    limits = StepLimits(states=100, visits=1_000)
    decision = step(looping, initial_state(looping, "run-1", {"items": [1]}, {}, START), (), START, limits)
    steps = 1
    while decision.outcome is None:
        decision = step(looping, FlowState.from_json(decision.state.to_json()), (), START, limits)
        steps += 1
    assert decision.outcome.failure is not None
    assert decision.outcome.failure.error == "States.VisitLimitExceeded"
    assert decision.outcome.failure.cause.startswith("the run entered 1000 states; ")
    assert steps <= 11


def test_items_of_a_map_count_as_visits_of_the_run() -> None:
    item = {"StartAt": "A", "States": {"A": {"Type": "Pass", **END}}}
    mapped = program({"M": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": item, **END}})
    state = initial_state(mapped, "run-1", {"items": [1] * 50}, {}, START)
    assert step(mapped, state, (), START).state.entered == 51
    failed = step(mapped, state, (), START, StepLimits(visits=50))
    assert failed.outcome is not None
    assert failed.outcome.failure is not None
    assert failed.outcome.failure.error == "States.VisitLimitExceeded"


@pytest.mark.parametrize(
    ("state", "named"),
    [
        ({"Parameters": {"a.$": "$.zz"}}, "States.ParameterPathFailure"),
        ({"Parameters": {"a.=": "1 / 0"}}, "States.IntrinsicFailure"),
        ({"Parameters": {"a.=": "`$.zz`"}}, "States.ParameterPathFailure"),
        ({"Parameters": {}, "ResultPath": "$.x.y"}, "States.ResultPathMatchFailure"),
    ],
)
def test_a_failure_at_run_time_can_also_be_caught_by_its_narrower_name(state, named) -> None:
    catch = {"ErrorEquals": [named], "Next": "B", "ResultPath": "$.why"}
    states = {"A": action(Catch=[catch], **state, **END), "B": {"Type": "Pass", **END}}
    assert run(states, {"x": 1})["why"]["Error"] == "States.Runtime"


def test_a_branch_that_fails_can_be_caught_by_that() -> None:
    branch = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Mine"}}}
    catch = [{"ErrorEquals": ["States.BranchFailed"], "Next": "B", "ResultPath": "$.why"}]
    states = {"P": {"Type": "Parallel", "Branches": [branch], "Catch": catch, **END}, "B": {"Type": "Pass", **END}}
    assert run(states)["why"] == {"Error": "Mine", "Cause": ""}


@pytest.mark.parametrize("written", ["pw", "pw.="])
def test_a_private_parameter_that_cannot_be_evaluated_is_not_quoted(written) -> None:
    hidden = {"deep": {"pw.=": "int('sesame')", "__Private_Parameters": [written]}}
    flow = FlowRun(program({"A": action(Parameters=hidden, **END)}))
    failure = flow.run().failure
    assert (failure.error, failure.cause) == ("States.Runtime", "the private parameter deep.pw cannot be evaluated")
    assert "sesame" not in str([entry.to_json() for entry in flow.entries])


def test_an_endless_loop_without_effects_rests_between_its_rounds() -> None:
    states = {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}
    flow = FlowRun(program(states))
    decision = flow.begin()
    assert decision.outcome is None
    assert decision.wake_at == START + PAUSE


def test_the_context_can_be_read_and_not_written() -> None:
    states = {"A": {"Type": "Pass", "Parameters": {"who.=": "_context.email", "id.$": "$._context.run_id"}, **END}}
    outcome = FlowRun(program(states)).run({}, {"email": "ann@x", "run_id": "7"})
    assert outcome.output == {"who": "ann@x", "id": "7"}


def test_what_is_private_reaches_the_action_and_no_log() -> None:
    hidden = {"user": "ann", "password.$": "$._private_word", "__Private_Parameters": ["password"]}
    flow = FlowRun(program({"A": action(Parameters=hidden, ResultPath="$.r", **END)}), lambda e: succeeded(e, {}))
    flow.run({"_private_word": "sesame", "x": 1})
    assert flow.started[0].body == {"user": "ann", "password": "sesame"}
    assert flow.started[0].private == (("password",),)
    assert "sesame" not in str([entry.to_json() for entry in flow.entries])


def test_random_values_are_the_same_whenever_a_crash_repeats_the_visit() -> None:
    states = {
        "A": {"Type": "Pass", "Parameters": {"a.=": "rand()", "b.=": "rand()"}, "ResultPath": "$.one", "Next": "B"},
        "B": {"Type": "Pass", "Parameters": {"a.=": "rand()"}, "ResultPath": "$.two", **END},
    }
    first, second = (FlowRun(program(states)).run().output for _ in range(2))
    assert first == second
    assert len({first["one"]["a"], first["one"]["b"], first["two"]["a"]}) == 3
