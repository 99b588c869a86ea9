"""S20: what a flow copies from a private place, or puts there, is shown nowhere; also numbers and short texts."""

import json
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.api import create_objects, get_object
from support.attackers import make_account
from support.operators import Operators
from support.sightings import leaks, sightings

SETTINGS = {"TASKACTION_LOG_LEVEL": "debug"}
MADE = {"a number": "735100000 + 8462", "a short text": "'k9-' + 'Zq'", "a long text": "'the-' * 6"}
VALUES = {"a number": "735108462", "a short text": "k9-Zq", "a long text": "the-the-the-the-the-the-"}
RIGHTS = (
    {"apiGroups": ["taskaction.dev"], "resources": ["taskactions"], "verbs": ["create"]},
    *({"apiGroups": [""], "resources": ["secrets"], "verbs": [verb]} for verb in ("create", "get", "delete")),
)
COPIES: dict[str, dict[str, Any]] = {
    "a Pass": {"Type": "Pass", "InputPath": "$._private_x"},
    "an expression": {"Type": "ExpressionEval", "Parameters": {"text.=": "f'<{_private_x}>'"}},
    "a Map": {
        "Type": "Map",
        "ItemsPath": "$._private_list",
        "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}},
    },
}


@pytest.fixture
def runner(victim: Kubectl) -> Kubectl:
    """A namespace whose `default` account keeps private data of runs."""
    make_account(victim, "default", *RIGHTS)
    return victim


def run_flow(kubectl: Kubectl, states: dict[str, Any]) -> dict[str, Any]:
    """Run a flow to its end, and return the run."""
    names = list(states)
    chain = {
        name: state | ({"Next": names[number + 1]} if name != names[-1] else {} if "Error" in state else {"End": True})
        for number, (name, state) in enumerate(states.items())
    }
    spec = {"definition": {"StartAt": names[0], "States": chain}, "runAs": {"serviceAccountName": "default"}}
    body = {"apiVersion": "taskaction.dev/v1alpha1", "kind": "ActionFlowRun", "metadata": {"name": "run"}, "spec": spec}
    create_objects(kubectl, [body])
    kubectl("wait", "--for=condition=Finished", "afr/run", "--timeout=40s")
    return get_object(kubectl, "afr", "run")


def make(expression: str) -> dict[str, dict[str, Any]]:
    """Return states that make a private value without a literal of it in the definition."""
    return {
        "Box": {"Type": "ExpressionEval", "Parameters": {"v.=": expression}, "ResultPath": "$._private_box"},
        "Make": {"Type": "Pass", "InputPath": "$._private_box.v", "ResultPath": "$._private_x"},
        "List": {
            "Type": "ExpressionEval",
            "Parameters": {"items.=": "[_private_x]"},
            "ResultPath": "$._private_items",
        },
        "Lists": {"Type": "Pass", "InputPath": "$._private_items.items", "ResultPath": "$._private_list"},
    }


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("copy", COPIES)
def test_s20_a_copy_of_a_private_value_is_shown_nowhere(
    operators: Operators, operator: Operator, runner: Kubectl, copy: str, kind: str
) -> None:
    action = {
        "Type": "Action",
        "ActionUrl": "taskaction://executor/noop",
        "Parameters": {"output.$": "$.copy"},
        "ResultPath": "$.result",
    }
    found = run_flow(runner, make(MADE[kind]) | {"Copy": COPIES[copy] | {"ResultPath": "$.copy"}, "Use": action})
    assert found["status"]["phase"] == "Succeeded", found["status"]["message"]
    assert leaks(sightings(runner, operators, operator), VALUES[kind]) == []
    assert "[redacted]" in json.dumps(found["status"])


def test_s20_an_action_with_a_private_place_as_its_input_has_it_not_in_its_manifest(
    operators: Operators, operator: Operator, runner: Kubectl
) -> None:
    use = {"Type": "Action", "ActionUrl": "taskaction://executor/noop", "InputPath": "$._private_in"}
    states = {
        "Make": {"Type": "ExpressionEval", "Parameters": {"output.=": "'k9-' + 'Zq'"}, "ResultPath": "$._private_in"},
        "Use": use | {"ResultPath": "$.result"},
    }
    assert run_flow(runner, states)["status"]["phase"] == "Succeeded"
    assert leaks(sightings(runner, operators, operator), VALUES["a short text"]) == []


def test_s20_the_cause_of_a_failure_shows_no_private_value(
    operators: Operators, operator: Operator, runner: Kubectl
) -> None:
    fail = {"Type": "Fail", "Error": "No", "CausePath": "$._private_x"}
    found = run_flow(runner, make("'k9-' + 'Zq'") | {"Fail": fail})
    assert found["status"]["error"]["message"] == "[redacted]"
    assert leaks(sightings(runner, operators, operator), "k9-Zq") == []
