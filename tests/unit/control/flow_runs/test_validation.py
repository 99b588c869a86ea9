"""What is said of an ActionFlow: every problem with its path, bounded, and only when something is wrong."""

from datetime import timedelta
from typing import Any

import pytest

from taskaction.api.action_flow import PROBLEMS_KEPT, ActionFlow
from taskaction.control.flow_runs.validation import flow_status, validate_flow
from taskaction.testing.clock import START

GOOD = {"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": True}}}


def flow(definition: Any = GOOD, *, generation: int = 1, **spec: Any) -> ActionFlow:
    metadata = {
        "name": "f",
        "namespace": "team-a",
        "uid": "uid-of-f",
        "generation": generation,
        "resourceVersion": "7",
        "creationTimestamp": START.isoformat(),
    }
    return ActionFlow.from_body({"metadata": metadata, "spec": {"definition": definition, **spec}})


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {"in": value}
    return value


def passing(**more: Any) -> Any:
    return {"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": True, **more}}}


@pytest.mark.parametrize(
    ("judged_flow", "reason", "path"),
    [
        (flow(), "Valid", None),
        (flow(inputSchema={"type": "object", "required": ["n"]}), "Valid", None),
        (flow({"StartAt": "Gone", "States": GOOD["States"]}), "InvalidDefinition", "$.StartAt"),
        (flow({}), "InvalidDefinition", "$.StartAt"),
        (flow(passing(Parameters={"x.$": "$.["})), "InvalidDefinition", "$.States.Only.Parameters['x.$']"),
        (flow(passing(Parameters=nested(200))), "InvalidDefinition", "$"),
        (flow(inputSchema={"type": "nonsense"}), "InvalidSchema", "spec.inputSchema.type"),
        (flow(inputSchema={"$ref": "https://example.com/s.json"}), "InvalidSchema", "spec.inputSchema"),
        (flow(passing(ResultPath=None)), "Valid", None),
        (flow(passing(ResultPath=None), strict=True), "InvalidDefinition", "$.States.Only.ResultPath"),
    ],
    ids=[
        "a flow of one state",
        "an input schema",
        "a start that is not there",
        "nothing at all",
        "a path that is none",
        "nested without end",
        "a schema of an unknown type",
        "a schema from elsewhere",
        "beyond Globus",
        "beyond Globus where that is refused",
    ],
)
def test_a_verdict_says_why_and_where(judged_flow: ActionFlow, reason: str, path: str | None) -> None:
    verdict = validate_flow(judged_flow)
    assert verdict.reason == reason
    assert path is None or path in [problem.path for problem in verdict.problems], verdict.problems
    assert (path is None) == (verdict.problems == ())


def test_a_status_lists_the_first_problems_and_its_message_counts_the_others() -> None:
    states = {f"S{number}": {"Type": "Pass", "Next": "Gone"} for number in range(50)}
    wrong = flow({"StartAt": "S0", "States": states})
    verdict = validate_flow(wrong)
    status = flow_status(wrong, verdict, START)
    assert len(verdict.problems) > PROBLEMS_KEPT
    assert len(status.problems or ()) == PROBLEMS_KEPT
    (valid,) = status.conditions
    assert (valid.status, valid.reason, status.observed_generation) == ("False", "InvalidDefinition", 1)
    assert valid.message.endswith(f"(and {len(verdict.problems) - 1} more: see status.problems)")


def test_long_names_of_users_fit_into_the_status() -> None:
    wrong = flow({"StartAt": "x" * 128, "States": {"y" * 128: {"Type": "z" * 5000}}})
    status = flow_status(wrong, validate_flow(wrong), START)
    assert all(len(one.path) <= 1024 and len(one.message) <= 1024 for one in status.problems or ())
    assert len(status.conditions[0].message) <= 1024


def test_valid_keeps_its_time_while_it_stays_what_it_was() -> None:
    first = flow()
    status = flow_status(first, validate_flow(first), START)
    changed = flow(generation=2).model_copy(update={"status": status})
    again = flow_status(changed, validate_flow(changed), START + timedelta(hours=1))
    assert again.conditions[0].last_transition_time == START
    assert again.conditions[0].observed_generation == 2
    broken = flow({}, generation=3).model_copy(update={"status": again})
    flipped = flow_status(broken, validate_flow(broken), START + timedelta(hours=2))
    assert flipped.conditions[0].last_transition_time == START + timedelta(hours=2)
