"""S3: no schema, pattern or value of a user blocks the operator, and what exceeds its budget fails by itself."""

import time
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import API_VERSION, Body, action, condition, create, is_finished, phase, reason, wait_for
from support.api import wait_for_object
from support.operators import QUICK_LEASES

SETTINGS = QUICK_LEASES
"""The watchdog ends an operator whose loop is blocked for 3 s."""

NEIGHBOUR_SECONDS = 3.0


def doubling(levels: int) -> Body:
    """Give a schema of 1.4 KB that evaluates one value 2**levels times."""
    twice = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": twice | {f"d{levels}": {"type": "object"}}, "$ref": "#/$defs/d0"}


def recursive() -> Body:
    """Give a schema that evaluates a value once more for each level of the value."""
    node = {"properties": {"a": {"$ref": "#/$defs/node"}}}
    return {"$defs": {"node": {"allOf": [node, node, node]}}, "$ref": "#/$defs/node"}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def provider(name: str, **spec: Any) -> Body:
    metadata = {"name": name}
    return {
        "apiVersion": API_VERSION,
        "kind": "ActionProvider",
        "metadata": metadata,
        "spec": {"executor": "noop", **spec},
    }


def using(name: str, parameters: Body) -> Body:
    return action(name, parameters=parameters, providerRef={"name": name})


ATTACKS: dict[str, tuple[list[Body], str, str]] = {
    # case: (objects, phase, reason); the last object is an action
    "a signal checked by a schema that doubles": (
        [action("doubling", "approval", {"type": "object", "schema": doubling(25)}, signal={"value": {}})],
        "Failed",
        "BudgetExceeded",
    ),
    "parameters checked by a schema that doubles": (
        [provider("inputs", inputSchema=doubling(25)), using("inputs", {"a": 1})],
        "Failed",
        "BudgetExceeded",
    ),
    "parameters checked by a schema that follows them down": (
        [provider("down", inputSchema=recursive()), using("down", nested(40))],
        "Failed",
        "BudgetExceeded",
    ),
    "unique objects": (
        [
            provider("unique", inputSchema={"properties": {"items": {"uniqueItems": True}}}),
            using("unique", {"items": [{"id": n, "name": str(n)} for n in range(6_000)]}),
        ],
        "Succeeded",
        "Completed",
    ),
    "a pattern with a large automaton and a long text": (
        [
            provider("pattern", inputSchema={"properties": {"text": {"pattern": "(?:a?b?){200}c$"}}}),
            using("pattern", {"text": "ab" * 100_000}),
        ],
        "Failed",
        "InvalidParameters",
    ),
}


@pytest.fixture(autouse=True)
def survivor(operator: Operator) -> Any:
    yield
    assert operator.is_ready()
    assert operator.program.is_running()


@pytest.mark.parametrize(("objects", "expected", "why"), ATTACKS.values(), ids=ATTACKS)
def test_s03_what_is_expensive_to_check_delays_nobody(
    kubectl: Kubectl, objects: list[Body], expected: str, why: str
) -> None:
    create(kubectl, objects)
    started = time.monotonic()
    create(kubectl, [action("neighbour")])
    wait_for(kubectl, "neighbour")
    assert time.monotonic() - started < NEIGHBOUR_SECONDS
    victim = wait_for(kubectl, objects[-1]["metadata"]["name"])
    assert (phase(victim), reason(victim)) == (expected, why), victim["status"]


REFUSED = {
    "look-around": ({"properties": {"a": {"pattern": "(?=x)y"}}}, "spec.inputSchema.properties.a.pattern: "),
    "a back reference": ({"patternProperties": {r"(a)\1": {}}}, "spec.inputSchema.patternProperties: "),
}


@pytest.mark.parametrize(("schema", "message"), REFUSED.values(), ids=REFUSED)
def test_s03_a_pattern_without_a_linear_bound_is_refused_with_its_field(
    kubectl: Kubectl, schema: Body, message: str
) -> None:
    create(kubectl, [provider("patterns", inputSchema=schema)])
    found = wait_for_object(kubectl, "ap", "patterns", lambda item: bool(condition_of(item)), 30)
    ready = condition_of(found)
    assert (ready["status"], ready["reason"]) == ("False", "InvalidSchema")
    assert ready["message"].startswith(message)
    assert "write it without" in ready["message"]


def condition_of(item: Body) -> Body:
    return condition(item, "Ready") if item.get("status") else {}


def test_s03_many_hostile_approvals_do_not_delay_a_neighbour(attacker: Kubectl, victim: Kubectl) -> None:
    schema = {"type": "object", "schema": doubling(25)}
    create(attacker, [action(f"noisy-{n}", "approval", schema, signal={"value": {}}) for n in range(100)])
    create(victim, [action("neighbour")])
    assert is_finished(wait_for(victim, "neighbour", seconds=10))  # evaluations of all would take 100 s
