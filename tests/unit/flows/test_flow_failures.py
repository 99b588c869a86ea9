"""How states fail, by which names that is caught, and what a handler gets."""

from typing import Any

import pytest

from support.flow_runs import END, FlowRun, action, failed, program, run
from taskaction.flows.effects import ActionEnded, StartAction
from taskaction.flows.state import Failure
from taskaction.testing.clock import START


def inside(error: str) -> dict[str, Any]:
    """Give a flow whose last state fails after an action."""
    return {"StartAt": "I", "States": {"I": action(Next="F"), "F": {"Type": "Fail", "Error": error}}}


@pytest.mark.parametrize(
    ("tolerance", "error"),
    [
        ({}, "Mine"),
        ({"ToleratedFailureCount": 0}, "Mine"),
        ({"ToleratedFailureCount": 1}, "States.ExceedToleratedFailureThreshold"),
        ({"ToleratedFailurePercentage": 10}, "States.ExceedToleratedFailureThreshold"),
    ],
)
def test_the_error_of_a_map_does_not_depend_on_how_many_items_fail_at_the_same_time(tolerance, error) -> None:
    each = {"Type": "Map", "ItemsPath": "$.l", "ItemProcessor": inside("Mine"), **tolerance, **END}
    assert run({"M": each}, {"l": [1, 2, 3]}).error == error


@pytest.mark.parametrize(
    ("named", "error", "caught"),
    [
        ("States.TaskFailed", None, True),
        ("States.TaskFailed", "ActionUnableToRun", True),
        ("States.TaskFailed", "ActionTimeout", False),
        ("States.Timeout", "ActionTimeout", True),
        ("States.Timeout", None, False),
    ],
)
@pytest.mark.parametrize("in_a_branch", [True, False])
def test_errors_of_actions_can_be_caught_by_what_step_functions_calls_them(named, error, caught, in_a_branch) -> None:
    catch = {"Catch": [{"ErrorEquals": [named], "Next": "C", "ResultPath": "$.why"}], **END}
    branch = {"StartAt": "I", "States": {"I": action(**END)}}
    failing = {"Type": "Parallel", "Branches": [branch], **catch} if in_a_branch else action(**catch)

    def ends(effect: StartAction) -> ActionEnded:
        return failed(effect) if error is None else ActionEnded(effect.visit, {}, error=error, cause="because")

    result = run({"A": failing, "C": {"Type": "Pass", **END}}, {}, behaviour=ends)
    assert isinstance(result, Failure) is not caught


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        ("so", "so"),
        (None, ""),
        (5, "5"),
        ({"code": "Bad", "description": "it is bad"}, "it is bad"),
        ({"code": "Bad"}, '{"code":"Bad"}'),
        ({"details": "broken"}, "broken"),
        ({"details": {"n": 1}}, '{"n":1}'),
        ({"details": None}, ""),
    ],
)
def test_the_cause_that_a_handler_gets_is_a_text(cause, told) -> None:
    catch = [{"ErrorEquals": ["Mine"], "Next": "C", "ResultPath": "$.why"}]
    branch = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Mine", "CausePath": "$.cause"}}}
    states = {"P": {"Type": "Parallel", "Branches": [branch], "Catch": catch, **END}, "C": {"Type": "Pass", **END}}
    assert run(states, {"cause": cause})["why"] == (cause if isinstance(cause, dict) else {}) | {
        "Error": "Mine",
        "Cause": told,
    }


def test_a_failure_inside_can_be_caught_outside_by_its_narrower_name() -> None:
    branch = {"StartAt": "F", "States": {"F": {"Type": "Pass", "Parameters": {"a.$": "$.zz"}, **END}}}
    catch = [{"ErrorEquals": ["States.ParameterPathFailure"], "Next": "C", "ResultPath": "$.why"}]
    states = {"P": {"Type": "Parallel", "Branches": [branch], "Catch": catch, **END}, "C": {"Type": "Pass", **END}}
    assert run(states)["why"]["Error"] == "States.Runtime"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "2026-01-01T00:30:00+01:00"])
def test_a_time_long_past_or_of_another_zone_is_no_wait(at) -> None:
    flow = FlowRun(program({"A": {"Type": "Wait", "TimestampPath": "$.at", **END}}), forgets=True)
    assert (flow.run({"at": at}).output, flow.now) == ({"at": at}, START)


@pytest.mark.parametrize("seconds", [-1, True, "5", None, 1e308, 31_536_001, []])
def test_what_is_no_number_of_seconds_fails_a_wait(seconds) -> None:
    failure = run({"A": {"Type": "Wait", "SecondsPath": "$.s", **END}}, {"s": seconds})
    assert (failure.error, "not a number of seconds" in failure.cause) == ("States.Runtime", True)
