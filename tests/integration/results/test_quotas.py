"""R18, R19: what a ResourceQuota refuses is shown and waited for, whatever object it is."""

from typing import Any

import pytest

from cluster.kubectl import Kubectl
from support.actions import Body, action, all_finished, condition, create, phase, reason, wait_for, wait_for_all
from support.api import create_object, list_objects, wait_for_object
from support.flow_stage import action as state
from support.flow_stage import definition
from support.hand_kubelet import HandKubelet

pytestmark = pytest.mark.usefixtures("operator")
EACH = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"StartAt": "One", "States": {"One": state()}}}
BUSYBOX = {"image": "busybox", "command": ["true"]}
SECRET: Body = {"apiVersion": "v1", "kind": "Secret"}
OBJECTS: dict[str, Body] = {
    "pod": BUSYBOX,
    "job": BUSYBOX,
    "resource": {"manifest": SECRET},
    "flow": {"definition": definition({"One": state()})},
}
PRIVATE = {
    "state": {
        "Make": {
            "Type": "ExpressionEval",
            "Parameters": {"value.=": "'a' * 9"},
            "ResultPath": "$._private_made",
            "Next": "One",
        },
        "One": state(),
    },
    "parameters": {"One": state(parameters={"output": {"_private_value": "a"}})},
}


def limit(kubectl: Kubectl, **counts: int) -> None:
    """Leave room for a number of objects of each kind."""
    create_quota(kubectl, {f"count/{kind.replace('_', '.')}": str(count) for kind, count in counts.items()})


def create_quota(kubectl: Kubectl, hard: dict[str, str]) -> None:
    """Create a quota, and return when the API server enforces it."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": hard}}
    create_object(kubectl, quota)
    wait_for_object(kubectl, "quota", "small", lambda found: found.get("status", {}).get("hard") == hard)


@pytest.fixture
def account(kubectl: Kubectl) -> None:
    """The rights of the namespace's default account."""
    resources = "pods,jobs.batch,secrets,taskactions.taskaction.dev,actionflowruns.taskaction.dev"
    kubectl("create", "role", "all", "--verb=create,get,list,delete,patch", f"--resource={resources}")
    kubectl("create", "rolebinding", "all", "--role=all", f"--serviceaccount={kubectl.namespace}:default")


def run_body(name: str, states: Body, **spec: Any) -> Body:
    spec |= {"definition": definition(states)}
    return {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "ActionFlowRun",
        "metadata": {"name": name},
        "spec": spec,
    }


def wait_for_run(kubectl: Kubectl, name: str, reason: str) -> Body:
    return wait_for_object(kubectl, "afr", name, lambda found: found.get("status", {}).get("reason") == reason)


def is_refused(item: Body) -> bool:
    """Whether a quota is why an action waits: one on a custom resource is unknown until its objects are counted."""
    return "quota: small" in condition({"status": {}} | item, "Progressing").get("message", "")


@pytest.mark.usefixtures("account")
def test_r19_a_run_waits_for_room_for_its_items_and_its_private_data(kubectl: Kubectl) -> None:
    limit(kubectl, taskactions_taskaction_dev=1, secrets=0)
    runs_as = {"serviceAccountName": "default"}
    runs = [run_body(name, states, runAs=runs_as) for name, states in PRIVATE.items()]
    create(kubectl, [*runs, run_body("items", {"Each": EACH | {"End": True}}, input={"items": [{}, {}, {}]})])
    for name in (*PRIVATE, "items"):
        found = wait_for_run(kubectl, name, "QuotaExceeded")["status"]
        assert "quota: small" in found["message"]
    assert found["phase"] == "Running"
    assert len(list_objects(kubectl, "ta")) <= 1
    kubectl("delete", "quota", "small")
    for name in (*PRIVATE, "items"):
        assert wait_for_run(kubectl, name, "Completed")["status"]["phase"] == "Succeeded"
    assert len(list_objects(kubectl, "ta")) == 3 + len(PRIVATE)


@pytest.mark.usefixtures("account")
def test_r19_the_object_of_an_action_waits_for_room(kubectl: Kubectl) -> None:
    limit(kubectl, pods=0, jobs_batch=0, secrets=0, actionflowruns_taskaction_dev=0)
    create(kubectl, [action(name, name, parameters) for name, parameters in OBJECTS.items()])
    found = wait_for_all(kubectl, lambda found: all(map(is_refused, found.values())))
    assert {phase(item) for item in found.values()} == {"Initializing"}
    kubectl("delete", "quota", "small")
    kubelet = HandKubelet(kubectl)
    for name in ("pod", "job"):
        kubelet.succeed(name)
    found = wait_for_all(kubectl, all_finished)
    assert {phase(item) for item in found.values()} == {"Succeeded"}
    assert {item["status"]["attempt"] for item in found.values()} == {1}


@pytest.mark.usefixtures("account")
def test_r18_an_object_for_which_no_room_becomes_free_fails_by_its_start_timeout(kubectl: Kubectl) -> None:
    limit(kubectl, pods=0, jobs_batch=0, secrets=0)
    names = ("pod", "job", "resource")
    create(kubectl, [action(name, name, OBJECTS[name] | {"startTimeout": "1s"}) for name in names])
    found = wait_for_all(kubectl, all_finished)
    assert {(phase(item), reason(item)) for item in found.values()} == {("Failed", "QuotaExceeded")}
    assert all("exceeded quota: small" in item["status"]["message"] for item in found.values())


@pytest.mark.usefixtures("account")
def test_r18_a_quota_that_pods_do_not_declare_enough_for_is_not_waited_for(kubectl: Kubectl) -> None:
    create_quota(kubectl, {"limits.memory": "1Gi"})
    create(kubectl, [action(name, name, OBJECTS[name] | {"startTimeout": "3s"}) for name in ("pod", "job")])
    found = wait_for_all(kubectl, all_finished)
    assert {name: reason(item) for name, item in found.items()} == {"pod": "Forbidden", "job": "StartTimeout"}
    assert all("must specify limits.memory for: main" in item["status"]["message"] for item in found.values())


@pytest.mark.usefixtures("account")
def test_a_quota_that_is_used_up_does_not_hide_that_the_object_exists(kubectl: Kubectl) -> None:
    named = SECRET | {"metadata": {"name": "taken"}}
    create_object(kubectl, named)
    limit(kubectl, secrets=1)
    create(kubectl, [action("it", "resource", {"manifest": named})])
    found = wait_for(kubectl, "it")
    assert (phase(found), reason(found)) == ("Failed", "AlreadyExists")
