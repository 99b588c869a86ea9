"""S13: a flow that loops or computes without end fails, delays nobody, and does not fill the log."""

import time
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import API_VERSION, Body, action, create, wait_for
from support.api import wait_for_object
from support.operators import QUICK_LEASES

SETTINGS = {**QUICK_LEASES, "TASKACTION_FLOWS_MAX_VISITS": "6000", "TASKACTION_LOG_FORMAT": "json"}
"""The watchdog ends an operator whose loop is blocked for 3 s."""

NEIGHBOUR_SECONDS = 3.0
END = {"Type": "Pass", "End": True}
PING_PONG = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}}


def run(name: str, definition: Body, **spec: Any) -> Body:
    spec = {"definition": definition, **spec}
    return {"apiVersion": API_VERSION, "kind": "ActionFlowRun", "metadata": {"name": name}, "spec": spec}


def is_ended(item: Body) -> bool:
    return item.get("status", {}).get("phase") in {"Succeeded", "Failed"}


def wait_for_end(kubectl: Kubectl, name: str, seconds: float = 60) -> Body:
    return dict(wait_for_object(kubectl, "afr", name, is_ended, seconds)["status"])


def test_s13_a_loop_ends_delays_nobody_and_logs_a_bounded_number_of_lines(
    kubectl: Kubectl, namespace: str, operator: Operator
) -> None:
    create(kubectl, [run(f"loop-{number}", PING_PONG) for number in range(10)])
    started = time.monotonic()
    create(kubectl, [action("neighbour"), run("small", {"StartAt": "E", "States": {"E": END}})])
    wait_for(kubectl, "neighbour")
    assert time.monotonic() - started < NEIGHBOUR_SECONDS
    for number in range(10):
        status = wait_for_end(kubectl, f"loop-{number}")
        assert status["error"]["code"] == "States.VisitLimitExceeded", status
        assert "entered 6000 states" in status["error"]["message"]
    wait_for_end(kubectl, "small")
    lines = [line for line in operator.program.log.read_text().splitlines() if '"loop-0"' in line and namespace in line]
    assert 500 <= len(lines) < 600
    assert any("run entries omitted" in line for line in lines)
    assert operator.program.is_running()


EXPENSIVE = {
    "many comparisons": ("[l == l for x in k]", {"l": [*range(2000)], "k": [*range(50)]}, "Succeeded"),
    "more steps than a state may take": ("[[x == y for x in l] for y in l]", {"l": [*range(900)]}, "Failed"),
}


@pytest.mark.parametrize(("expression", "given", "expected"), EXPENSIVE.values(), ids=EXPENSIVE)
def test_s13_an_expensive_state_is_evaluated_outside_the_event_loop(
    kubectl: Kubectl, operator: Operator, expression: str, given: Body, expected: str
) -> None:
    states = {"E": {"Type": "Pass", "Parameters": {"r.=": f"len({expression})"}, "End": True}}
    create(kubectl, [run(f"costly-{n}", {"StartAt": "E", "States": states}, input=given) for n in range(5)])
    started = time.monotonic()
    create(kubectl, [action("neighbour")])
    wait_for(kubectl, "neighbour")
    assert time.monotonic() - started < NEIGHBOUR_SECONDS
    for number in range(5):
        assert wait_for_end(kubectl, f"costly-{number}")["phase"] == expected
    assert operator.program.is_running()
