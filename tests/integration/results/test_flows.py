"""R27, R28, R30 and R31: flows are checked as they run, and run as they were checked."""

from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.api import get_object
from support.operators import QUICK_LEASES
from support.refusals import create, manifest

pytestmark = pytest.mark.usefixtures("operator")

SETTINGS = QUICK_LEASES
END = {"End": True}
Body = dict[str, Any]


def flow(states: Body) -> Body:
    return {"StartAt": next(iter(states)), "States": states}


def verdict(kubectl: Kubectl, states: Body, **spec: Any) -> dict[str, str]:
    """Give the problems of a flow by their paths; empty if it is valid."""
    create(kubectl, manifest("ActionFlow", {"definition": flow(states), **spec}))
    wait_until(lambda: get_object(kubectl, "af", "subject").get("status"), timeout=60, what="a verdict")
    status = get_object(kubectl, "af", "subject")["status"]
    (valid,) = status["conditions"]
    problems = {one["path"]: one["message"] for one in status.get("problems", [])}
    assert valid["status"] == str(not problems)
    return problems


def finished(kubectl: Kubectl, states: Body, **spec: Any) -> Body:
    """Have a flow run to its end; give the run's status."""
    create(kubectl, manifest("ActionFlowRun", {"definition": flow(states), **spec}, name="it"))
    kubectl("wait", "afr/it", "--for=condition=Finished", "--timeout=60s")
    return dict(get_object(kubectl, "afr", "it")["status"])


def evaluated(**expressions: str) -> Body:
    parameters = {f"{name}.=": text for name, text in expressions.items()}
    return {"A": {"Type": "ExpressionEval", "Parameters": parameters, "ResultPath": "$.is", **END}}


# -- R27: paths in expressions -----------------------------------------------------------------------------------------


def test_r27_paths_are_read_when_they_are_reached_and_in_every_spelling(kubectl: Kubectl) -> None:
    spellings = {"a": "o.k", "b": "$.o.k", "c": "l[0]", "d": "$.l[-1]", "e": "$['o'].k", "f": "['l'][0]"}
    states = evaluated(
        absent="`$.a` if is_present('a') else 'x'",
        **{name: f'is_present("{spelled}")' for name, spelled in spellings.items()},
        **{f"no_{name}": f'is_present("{spelled}x")' for name, spelled in spellings.items() if spelled.endswith("k")},
    )
    found = finished(kubectl, states, input={"o": {"k": None}, "l": [1]})["output"]["is"]
    assert found.pop("absent") == "x"
    assert found == dict.fromkeys(spellings, True) | {f"no_{name}": False for name in "abe"}


def test_r27_a_spelling_that_names_no_place_is_refused(kubectl: Kubectl) -> None:
    problems = verdict(kubectl, evaluated(a="is_present('$.l[*]')", b="getattr('$.')"))
    assert "may match several values" in problems["$.States.A.Parameters['a.=']"]
    assert "remove the dot" in problems["$.States.A.Parameters['b.=']"]


# -- R28: names that never exist ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
def test_r28_a_read_that_can_never_succeed_is_reported_and_does_fail(kubectl: Kubectl, strict: bool) -> None:
    states: Body = {
        "A": {"Type": "Pass", "Parameters": {"who.$": "$._context.username"}, "ResultPath": "$.a", "Next": "B"},
        "B": {"Type": "Pass", "Result": {"n": 1}, "ResultPath": "$.b", "Next": "C"},
        "C": {"Type": "Pass", "Parameters": {"x.$": "$.b.m", "y.$": "$.input"}, "ResultPath": "$.c", **END},
    }
    problems = verdict(kubectl, states, strict=strict)
    assert list(problems) == ["$.States.A.Parameters['who.$']", "$.States.C.Parameters['x.$']"]
    assert "$._context has only flow_id, flow_name, namespace, run_id, run_name;" in next(iter(problems.values()))
    failed = finished(kubectl, states, input={"input": 1})
    assert (failed["phase"], failed["error"]["stateName"]) == ("Failed", "A")


def test_r28_a_name_that_the_input_schema_excludes_is_reported(kubectl: Kubectl) -> None:
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "additionalProperties": False}
    states = {"A": {"Type": "Pass", "InputPath": "$.pth", **END}}
    problems = verdict(kubectl, states, inputSchema=schema)
    assert "$ has only path;" in problems["$.States.A.InputPath"]


# -- R30: fields of Map ------------------------------------------------------------------------------------------------


def test_r30_a_map_reads_its_items_and_limits_from_its_input_path(kubectl: Kubectl) -> None:
    odd: Body = {
        "I": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "No"}],
            "Default": "Yes",
        },
        "No": {"Type": "Fail", "Error": "One"},
        "Yes": {"Type": "Pass", **END},
    }
    states = {
        "M": {
            "Type": "Map",
            "InputPath": "$.order",
            "ItemsPath": "$.lines",
            "ItemSelector": {"n.$": "$._context.Map.Item.Value", "of.$": "$.name"},
            "MaxConcurrencyPath": "$.most",
            "ToleratedFailureCountPath": "$.bad",
            "ItemProcessor": flow(odd),
            "ResultPath": "$.done",
            **END,
        }
    }
    order = {"lines": [1, 2], "name": "x", "most": 1, "bad": 1}
    found = finished(kubectl, states, input={"order": order})["output"]
    assert found == {"order": order, "done": [{"Error": "One", "Cause": ""}, {"n": 2, "of": "x"}]}


# -- R31: what the check says ------------------------------------------------------------------------------------------


def test_r31_the_check_hints_at_the_fix_and_reports_nothing_that_follows(kubectl: Kubectl) -> None:
    states: Body = {
        "A": {"Type": "Choice", "Choices": [{"Variable": "$.", "IsNull": True, "Next": "B"}], "Default": "C"},
        "B": {"Type": "Pass", **END},
        "C": {"Type": "Pass", "InputPath": "$.1x", **END},
    }
    problems = verdict(kubectl, states)
    assert problems.keys() == {"$.States.A.Choices[0].IsNull", "$.States.C.InputPath"}
    assert "remove the dot at its end" in problems["$.States.A.Choices[0].IsNull"]
    assert "write ['1x'] for .1x" in problems["$.States.C.InputPath"]


def test_r31_comments_and_long_expressions_are_taken(kubectl: Kubectl) -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "B", "ResultPath": "$.e", "Comment": "why"}]
    noop = {"Type": "Action", "ActionUrl": "taskaction://executor/noop", "Parameters": {}, "ResultPath": "$.a"}
    states = {
        "A": {**noop, "Catch": catch, "Retry": [{"ErrorEquals": ["ActionTimeout"], "Comment": "why"}], "Next": "B"},
        "B": {**evaluated(sum=" + ".join(["n"] * 61))["A"]},
    }
    assert verdict(kubectl, states) == {}
    assert finished(kubectl, states, input={"n": 2})["output"]["is"] == {"sum": 122}
