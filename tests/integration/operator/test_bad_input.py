"""What cannot run says so in its status, names the field and the mend, and keeps nobody else waiting."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import (
    API_VERSION,
    Body,
    action,
    condition,
    create,
    patch,
    phase,
    reason,
    wait_for,
    wait_for_phase,
)
from support.api import get_object
from support.world import World, once

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


SECRET_AUTH = {"bearerSecretKeyRef": {"name": "missing", "key": "token"}}
FINAL: dict[str, tuple[Body, str, str]] = {
    # case: (the action's spec, the reason, a part of the message)
    "an unknown executor": ({"executor": "nope"}, "UnknownExecutor", "spec.executor: unknown executor 'nope'"),
    "parameters of the wrong type": (
        {"executor": "sleep", "parameters": {"duration": "soon"}},
        "InvalidParameters",
        "spec.parameters.duration",
    ),
    "a parameter that is not known": (
        {"executor": "noop", "parameters": {"ouput": 1}},
        "InvalidParameters",
        "spec.parameters.ouput",
    ),
    "a parameter that is missing": ({"executor": "sleep"}, "InvalidParameters", "spec.parameters.duration"),
    "a template that does not close": (
        {"executor": "http", "parameters": {"url": "http://127.0.0.1/{{ action.name"}},
        "InvalidParameters",
        "url",
    ),
    "a denied address": (
        {"executor": "http", "parameters": {"url": "http://169.254.169.254/latest/meta-data"}},
        "AddressDenied",
        "169.254.169.254",
    ),
    "a Secret that is missing": (
        {"executor": "http", "parameters": {"url": "http://127.0.0.1:1/", "auth": SECRET_AUTH}},
        "Forbidden",
        "RoleBinding",
    ),
    "a parent that is missing": (
        {"executor": "noop", "parentRef": {"kind": "TaskAction", "name": "nobody"}},
        "ParentNotFound",
        "nobody",
    ),
    "a start that is too late": (
        {"executor": "noop", "notAfter": "2020-01-01T00:00:00Z"},
        "StartDeadlineExceeded",
        "spec.notAfter",
    ),
}


@pytest.mark.parametrize("case", FINAL)
def test_what_can_never_run_fails_and_says_why(kubectl: Kubectl, case: str) -> None:
    spec, expected, said = FINAL[case]
    bad = {"apiVersion": API_VERSION, "kind": "TaskAction", "metadata": {"name": "bad"}, "spec": spec}
    create(kubectl, [bad, action("good")])
    ended = wait_for(kubectl, "bad")
    assert (phase(ended) in {"Failed", "TimedOut"}, reason(ended)) == (True, expected)
    assert said in condition(ended, "Finished")["message"]
    wait_for_phase(kubectl, "good", "Succeeded")


def provider(name: str = "shop", **spec: Any) -> Body:
    return {
        "apiVersion": API_VERSION,
        "kind": "ActionProvider",
        "metadata": {"name": name},
        "spec": {"executor": "noop", **spec},
    }


def through_provider(name: str, parameters: Body | None = None) -> Body:
    return action(name, parameters=parameters, providerRef={"kind": "ActionProvider", "name": "shop"})


def apply(kubectl: Kubectl, body: Body) -> None:
    kubectl("apply", "-f", "-", stdin=json.dumps(body))


def test_an_action_waits_for_a_provider_that_is_missing(kubectl: Kubectl) -> None:
    create(kubectl, [through_provider("early"), action("good")])
    waiting = wait_for(kubectl, "early", lambda item: reason(item) == "ProviderNotFound")
    assert phase(waiting) == "WaitingForResources"
    assert "spec.providerRef" in condition(waiting, "Progressing")["message"]
    wait_for_phase(kubectl, "good", "Succeeded")
    apply(kubectl, provider())
    wait_for_phase(kubectl, "early", "Succeeded")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"executor": "nope"}, "UnknownExecutor"),
        ({"config": {"url": "http://127.0.0.1/"}}, "InvalidConfig"),
        ({"inputSchema": {"type": "nonsense"}}, "InvalidSchema"),
        ({"inputSchema": {"$ref": "https://example.com/schema.json"}}, "InvalidSchema"),
    ],
    ids=["unknown executor", "config that no one reads", "schema that is none", "remote reference"],
)
def test_an_action_waits_for_a_provider_that_is_not_ready(kubectl: Kubectl, spec: Body, why: str) -> None:
    apply(kubectl, provider(**spec))
    create(kubectl, [through_provider("early"), action("good")])
    wait_for(kubectl, "early", lambda item: reason(item) == "ProviderNotReady")
    wait_for_phase(kubectl, "good", "Succeeded")
    shown = get_object(kubectl, "ap", "shop")
    assert condition(shown, "Ready")["status"] == "False"
    assert condition(shown, "Ready")["reason"] == why
    kubectl("replace", "-f", "-", stdin=json.dumps(provider()))
    wait_for_phase(kubectl, "early", "Succeeded")


def test_parameters_that_break_the_providers_schema_fail_before_anything_starts(kubectl: Kubectl) -> None:
    schema = {"type": "object", "required": ["replicas"], "properties": {"replicas": {"maximum": 10}}}
    apply(kubectl, provider(inputSchema=schema))
    create(kubectl, [through_provider("far", {"replicas": 300}), through_provider("none", {"other": 1})])
    for name, said in {"far": "replicas: is greater than the maximum of 10", "none": "replicas"}.items():
        ended = wait_for_phase(kubectl, name, "Failed")
        assert reason(ended) == "InvalidParameters"
        assert said in condition(ended, "Finished")["message"]
        assert not ended["status"].get("attempt")


def test_a_result_that_breaks_the_providers_schema_fails(kubectl: Kubectl) -> None:
    apply(kubectl, provider(outputSchema={"type": "string"}))
    create(kubectl, [through_provider("bad", {"output": 42}), through_provider("good", {"output": "42"})])
    assert reason(wait_for_phase(kubectl, "bad", "Failed")) == "InvalidOutput"
    wait_for_phase(kubectl, "good", "Succeeded")


def test_a_secret_that_comes_later_is_found_by_a_retry(kubectl: Kubectl, world: World) -> None:
    kubectl("create", "role", "read", "--verb=get", "--resource=secrets")
    kubectl("create", "rolebinding", "read", "--role=read", f"--serviceaccount={kubectl.namespace}:default")
    wanted = once(world.url, "call") | {"auth": {"bearerSecretKeyRef": {"name": "late", "key": "token"}}}
    retry = {"limit": 100, "backoff": {"initial": "200ms", "factor": 1}}
    create(kubectl, [action("late", "http", wanted, retryPolicy=retry), action("never", "http", wanted)])
    never = wait_for_phase(kubectl, "never", "Failed")
    assert reason(never) == "ParametersSourceNotFound"
    assert "late" in condition(never, "Finished")["message"]
    assert not world.effects
    kubectl("create", "secret", "generic", "late", "--from-literal=token=s3cret-token")
    ended = wait_for_phase(kubectl, "late", "Succeeded")
    assert "s3cret" not in json.dumps(ended)
    assert world.effects == {"once/call": 1}


def test_names_at_their_limit_run(kubectl: Kubectl) -> None:
    names = ["a", "x" * 63, "x.y-9"]
    create(kubectl, [action(name, "fail", {"times": 1}, retryPolicy={"limit": 1}) for name in names])
    for name in names:
        wait_for_phase(kubectl, name, "Succeeded")


def test_a_signal_of_the_wrong_type_is_shown_and_a_right_one_goes_on(kubectl: Kubectl) -> None:
    create(kubectl, [action("ask", "approval", {"prompt": "How many?", "type": "integer"})])
    wait_for_phase(kubectl, "ask", "Paused")
    patch(kubectl, "ask", {"signal": {"value": "three"}})
    wait_for(kubectl, "ask", lambda item: "integer" in condition(item, "Progressing").get("message", ""))
    patch(kubectl, "ask", {"signal": {"value": 3}})
    ended = wait_for_phase(kubectl, "ask", "Succeeded")
    assert 3 in ended["status"]["output"].values()


@pytest.mark.parametrize("depth", [101, 300, 1000, 1020, 1500, 9000])
def test_parameters_that_are_nested_without_end_fail_and_stop_nobody(
    kubectl: Kubectl, tmp_path: Path, depth: int
) -> None:
    """The API server takes 10,000 levels; a reader that gave up would end the watch of all."""
    said = {"apiVersion": API_VERSION, "kind": "TaskAction", "metadata": {"name": "deep"}}
    body = json.dumps(said | {"spec": {"executor": "noop", "parameters": {"output": "DEEP"}}})
    manifest = tmp_path / "deep.json"
    manifest.write_text(body.replace('"DEEP"', "[" * depth + "]" * depth))
    kubectl("create", f"--raw=/apis/{API_VERSION}/namespaces/{kubectl.namespace}/taskactions", "-f", str(manifest))
    create(kubectl, [action("good")])
    wait_for_phase(kubectl, "good", "Succeeded")
    path = "jsonpath={.status.phase} {.status.reason} {.status.message}"  # kubectl is not to choke on it either
    wait_until(lambda: kubectl("get", "ta", "deep", "-o", path).startswith("Failed "), timeout=30, what="its end")
    assert "InvalidParameters spec.parameters: is nested" in kubectl("get", "ta", "deep", "-o", path)
    kubectl("delete", "ta", "deep")
