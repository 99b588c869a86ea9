"""S18: the value of a Secret for a container stands in no Job and no pod; the kubelet reads it."""

import json

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local.operator_process import Operator
from support.actions import action, create, wait_for
from support.api import create_object, list_objects
from support.attackers import SECRETS, make_account, secret
from support.operators import Operators
from support.sightings import leaks, sightings

SECRET = "the-t0ken/of=the victim"
REF = {"name": "login", "key": "key"}
REFERENCE = {"name": "TOKEN", "valueFrom": {"secretKeyRef": REF}}
KINDS = {"job": "jobs", "pod": "pods"}
EXPOSED = {
    "an argument": ("job", {"image": "busybox"}, {"parameter": "args", "format": "Json"}),
    "a variable from a part of a key": ("pod", {"image": "busybox"}, {"parameter": "env", "format": "Json"}),
    "the image": ("job", {}, {"parameter": "image"}),
    "another object": (
        "resource",
        {"manifest": {"apiVersion": "v1", "kind": "ConfigMap"}},
        {"parameter": "manifest.data.token"},
    ),
    "the input of a flow": ("flow", {"flow": "any"}, {"parameter": "input.token"}),
    "a question": ("approval", {}, {"parameter": "prompt"}),
    "a message": ("fail", {}, {"parameter": "message"}),
}


@pytest.fixture
def namespace_of(victim: Kubectl) -> Kubectl:
    """A namespace with a Secret, whose `default` account reads it and runs containers."""
    create_object(victim, secret("login", SECRET))
    create_object(victim, secret("list", json.dumps([SECRET])))
    create_object(victim, secret("map", json.dumps({"TOKEN": SECRET})))
    work = ("create", "get", "list", "delete")
    kinds = (("jobs", "batch"), ("pods", ""), ("configmaps", ""))
    rights = ({"apiGroups": [group], "resources": [kind], "verbs": [verb]} for verb in work for kind, group in kinds)
    make_account(victim, "default", SECRETS, *rights)
    return victim


@pytest.mark.parametrize("executor", KINDS)
def test_s18_a_variable_refers_to_the_secret(
    operators: Operators, operator: Operator, namespace_of: Kubectl, executor: str
) -> None:
    sources = [{"parameter": "env.TOKEN", "secretKeyRef": REF}]
    create(namespace_of, [action("work", executor, {"image": "busybox"}, parametersFrom=sources)])
    kind = KINDS[executor]
    wait_until(lambda: bool(list_objects(namespace_of, kind)), timeout=30, what=f"a {executor} of the action")
    (body,) = list_objects(namespace_of, kind)
    spec = body["spec"]["template"]["spec"] if executor == "job" else body["spec"]
    assert spec["containers"][0]["env"] == [REFERENCE]
    assert leaks(sightings(namespace_of, operators, operator), SECRET) == []


@pytest.mark.parametrize("case", EXPOSED)
def test_s18_a_value_that_others_could_read_is_refused(
    operators: Operators, operator: Operator, namespace_of: Kubectl, case: str
) -> None:
    executor, parameters, source = EXPOSED[case]
    name = {"args": "list", "env": "map"}.get(source["parameter"], "login")
    sources = [{**source, "secretKeyRef": {"name": name, "key": "key"}}]
    create(namespace_of, [action("work", executor, parameters, parametersFrom=sources)])
    status = wait_for(namespace_of, "work")["status"]
    assert (status["phase"], status["error"]["code"]) == ("Failed", "SecretExposed")
    assert "name the Secret" in status["message"]
    assert status["attempt"] == 1
    assert leaks(sightings(namespace_of, operators, operator), SECRET) == []
