"""R10, R23, R24: numbers and texts pass through every entry point unchanged, or are refused with a reason."""

import json
import os
import subprocess
from itertools import count
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.kubectl import Kubectl
from local import policies
from support import preloaded
from support.actions import API_VERSION, action, create, get, patch, wait_for, wait_for_phase
from support.api import create_object, patch_object, server_of, wait_for_object
from support.hand_kubelet import HandKubelet
from support.json_values import json_values
from support.people import invite, right
from support.raw_target import RawRequest, RawTarget, raw_target, response
from taskaction.core.json_values import is_same

pytestmark = pytest.mark.usefixtures("operator")

BIG = 20261130123456789
"""A whole number above 2^53."""
EDGES = {"ids": [BIG, 2**63 - 1, -(2**63), 2**53 + 1], "rates": [1.5, 1e300, 5e-324, 1e19], "text": "4612e87"}


def text_of(body: str, kind: str = "text/plain") -> Any:
    """Answer with a body of a media type."""
    return lambda _: response(body=body.encode()).replace(b"application/json", kind.encode())


# -- R10: what targets and pods leave ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "value"),
    [("4612e87", "4612e87"), ("007", "007"), ("9223372036854775808", "9223372036854775808"), ("42", 42), ("1.5", 1.5)],
)
def test_r10_a_text_is_a_number_only_in_its_shortest_form(kubectl: Kubectl, body: str, value: Any) -> None:
    with raw_target(text_of(body)) as target:
        create(kubectl, [action("it", "http", {"url": target.url})])
        output = wait_for_phase(kubectl, "it", "Succeeded")["status"]["output"]
    assert (output["body"], type(output["body"])) == (value, type(value))


def test_r10_the_same_holds_for_what_a_pod_leaves(kubectl: Kubectl) -> None:
    left = {"hash": "4612e87\n", "id": "20261130123456789012\n", "number": f"{BIG}\n", "json": json.dumps(EDGES)}
    kubectl("create", "role", "pods", "--verb=create,get,delete", "--resource=pods")
    kubectl("create", "rolebinding", "pods", "--role=pods", f"--serviceaccount={kubectl.namespace}:default")
    parameters = {"image": "none", "command": ["none"]}
    create(kubectl, [action(name, "pod", parameters) for name in left])
    kubelet = HandKubelet(kubectl)
    for name, message in left.items():
        kubelet.succeed(name, message)
    outputs = {name: wait_for_phase(kubectl, name, "Succeeded")["status"]["output"] for name in left}
    assert is_same(outputs, {"hash": "4612e87", "id": "20261130123456789012", "number": BIG, "json": EDGES})


REFUSED = {
    "a large integer": ('{"id": 20261130123456789012}', "body.id: is an integer beyond 64 bits"),
    "no number": ('{"loss": [NaN]}', "body.loss.0: is NaN or Infinity"),
    "a name twice": ('{"a": 1, "a": 2}', "body.a: appears twice"),
    "half of a pair": (r'{"a": "\ud800"}', "body.a: has half of a surrogate pair"),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_r10_a_result_that_would_change_fails_with_its_place(kubectl: Kubectl, body: str, message: str) -> None:
    with raw_target(text_of(body, "application/json")) as target:
        create(kubectl, [action("it", "http", {"method": "POST", "url": target.url}, retryPolicy={"limit": 2})])
        status = wait_for_phase(kubectl, "it", "Failed")["status"]
    assert status["error"]["code"] == "InvalidOutput"
    assert message in status["message"]
    assert len(target.received) == 1


# -- every way that a value takes --------------------------------------------------------------------------------------

TEMPLATE = {"executor": "http", "inputSchema": {"type": "object"}}
FLOW = {
    "StartAt": "Child",
    "States": {
        "Child": {
            "Type": "Action",
            "ActionUrl": "taskaction://executor/noop",
            "Parameters": {"output.$": "$.value"},
            "ResultPath": "$.child",
            "Next": "Computed",
        },
        "Computed": {"Type": "Pass", "Parameters": {"got.=": "child.details", "sent.$": "$.value"}, "End": True},
    },
}
numbers = count()


def sent_by_template(kubectl: Kubectl, target: RawTarget, value: Any, name: str) -> Any:
    """Return what a target gets from a provider's template."""
    config = {"method": "POST", "url": f"{target.url}/{name}", "json": {"value": "{{ parameters.value }}"}}
    provider = {"metadata": {"name": name}, "spec": TEMPLATE | {"config": config}}
    create_object(kubectl, {"apiVersion": API_VERSION, "kind": "ActionProvider", **provider})
    create(kubectl, [action(name, providerRef={"name": name}, parameters={"value": value})])
    wait_for_phase(kubectl, name, "Succeeded")
    (request,) = target.asked(f"POST /{name}")
    return orjson.loads(request.body)["value"]


def passed_by_flow(kubectl: Kubectl, value: Any, name: str) -> Any:
    """Return the output of a run whose child gets a value and returns it."""
    spec = {"definition": FLOW, "input": {"value": value}}
    create_object(
        kubectl, {"apiVersion": API_VERSION, "kind": "ActionFlowRun", "metadata": {"name": name}, "spec": spec}
    )
    found = wait_for_object(kubectl, "afr", name, lambda run: "output" in run.get("status", {}))
    return found["status"]["output"]


def passed_by_signal(kubectl: Kubectl, value: Any, name: str) -> Any:
    """Return the output of an approval that is answered with a value."""
    create(kubectl, [action(name, "approval", {"type": "any"})])
    wait_for_phase(kubectl, name, "Paused")
    server = server_of(kubectl)
    operation = {"op": "add", "path": "/spec/signal", "value": {"value": [value]}}  # a merge would remove inner nulls
    path = server.resource("ta").path(kubectl.namespace, name)
    server.request("PATCH", path, [operation], headers={"Content-Type": "application/json-patch+json"})
    found = wait_for_phase(kubectl, name, "Succeeded")
    assert is_same(found["spec"]["signal"]["value"], [value])
    return found["status"]["output"]["value"][0]


@given(values=st.lists(json_values, min_size=1, max_size=40))
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_values_pass_from_target_to_status_template_child_and_signal_unchanged(
    kubectl: Kubectl, values: list[Any]
) -> None:
    name = f"it-{next(numbers)}"

    def answer(request: RawRequest) -> bytes:
        return response(body=orjson.dumps(values) if request.line.startswith("GET") else b"{}")

    with raw_target(answer) as target:
        create(kubectl, [action(f"{name}-http", "http", {"url": f"{target.url}/{name}"})])
        stored = wait_for_phase(kubectl, f"{name}-http", "Succeeded")["status"]["output"]["body"]
        assert is_same(stored, values)
        assert is_same(sent_by_template(kubectl, target, stored, f"{name}-template"), values)
    output = passed_by_flow(kubectl, stored, f"{name}-flow")
    assert is_same(output, {"got": values, "sent": values})
    assert is_same(passed_by_signal(kubectl, stored, f"{name}-signal"), values)


# -- R23: signals ------------------------------------------------------------------------------------------------------


@pytest.fixture
def people(kubectl: Kubectl) -> Kubectl:
    """Somebody who may signal, and somebody who may only write."""
    if policies.MUTATING not in policies.served_kinds(kubectl):
        pytest.skip(f"this API server knows no {policies.MUTATING}, so nothing is stamped")
    invite(kubectl, {"ann": (right("signal", "taskactions"),), "author": ()})
    return kubectl


def test_r23_a_signal_with_large_numbers_stays_as_it_is_whoever_writes_next(people: Kubectl) -> None:
    create(people, [action("it", "approval", {"type": "object", "schema": {"required": ["never"]}})])
    wait_for_phase(people, "it", "Paused")
    patch(people, "it", {"signal": {"value": EDGES}}, "--as=ann")
    wait_for(people, "it", lambda item: "refused" in item["status"].get("message", ""))
    before = get(people, "it")["spec"]["signal"]
    assert is_same(before["value"], EDGES)
    assert before["by"] == "ann"
    patch(people, "it", {"priority": 7}, "--as=author")
    assert get(people, "it")["spec"]["signal"] == before
    patch(people, "it", {"signal": {"by": "somebody-else", "at": "2001-01-01T00:00:00Z"}}, "--as=author")
    assert get(people, "it")["spec"]["signal"] == before


def test_r23_an_approval_with_a_large_number_ends_and_can_be_labelled(people: Kubectl) -> None:
    create(people, [action("it", "approval", {"type": "integer"})])
    wait_for_phase(people, "it", "Paused")
    patch(people, "it", {"signal": {"value": BIG}}, "--as=ann")
    output = wait_for_phase(people, "it", "Succeeded")["status"]["output"]
    assert (output["value"], output["by"]) == (BIG, "ann")
    labelled = patch_object(people, "ta", "it", {"metadata": {"labels": {"team": "a"}}}, "--as=author")
    assert labelled["metadata"]["labels"]["team"] == "a"
    assert (labelled["spec"]["signal"]["value"], labelled["spec"]["signal"]["by"]) == (BIG, "ann")


# -- R24: the command line ---------------------------------------------------------------------------------------------


def taskaction(kubectl: Kubectl, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a person."""
    environment = {**os.environ, "KUBECONFIG": str(kubectl.kubeconfig)}
    return preloaded.run([*words, f"--namespace={kubectl.namespace}"], environment)


@pytest.mark.parametrize(
    ("text", "value"), [("20261130123456789012", "20261130123456789012"), ("4612e87", "4612e87"), (str(BIG), BIG)]
)
def test_r24_a_parameter_arrives_as_it_was_written(kubectl: Kubectl, text: str, value: Any) -> None:
    told = taskaction(kubectl, "run", "it", "-e", "noop", "-p", f"output={text}")
    assert (told.returncode, told.stdout) == (0, f"{text}\n")
    assert get(kubectl, "it")["status"]["output"] == value


def test_r24_a_parameter_that_is_no_number_is_refused_with_its_name(kubectl: Kubectl) -> None:
    told = taskaction(kubectl, "run", "it", "-e", "noop", "-p", "output=NaN")
    assert told.returncode == 2
    assert "output: NaN is not a JSON number" in told.stderr
    assert "Traceback" not in told.stderr
