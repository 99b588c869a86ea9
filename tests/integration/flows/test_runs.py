"""Runs of flows on a real API server: to their end, through a crash, by several replicas, and with nobody's rights."""

import itertools
import json
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.api import get_object, list_objects
from support.operators import QUICK_LEASES, Operators
from support.refusals import create, manifest, merge

SETTINGS = QUICK_LEASES
NOOP = "taskaction://executor/noop"


def action(following: str | None = None, url: str = NOOP, parameters: Any = None, **more: Any) -> dict[str, Any]:
    way = {"End": True} if following is None else {"Next": following}
    return {"Type": "Action", "ActionUrl": url, "Parameters": parameters or {}, "ResultPath": "$.done", **way, **more}


def flow(states: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


NAP = {"duration": "4s"}
ITEMS, MOST = 300, 25
CHAIN = flow(
    {
        "First": action("Odd?", parameters={"output": {"n.=": "n + 1", "none": None}}),
        "Odd?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.done.details.n", "NumericEquals": 2, "Next": "Nap"}],
            "Default": "Never",
        },
        "Never": {"Type": "Fail"},
        "Nap": action("Last", "taskaction://executor/sleep", NAP),
        "Last": {"Type": "Pass", "End": True},
    }
)


def status(kubectl: Kubectl, name: str = "subject") -> dict[str, Any]:
    return dict(get_object(kubectl, "afr", name)["status"])


def actions(kubectl: Kubectl) -> list[dict[str, Any]]:
    return list_objects(kubectl, "ta")


def finished(kubectl: Kubectl, name: str = "subject") -> dict[str, Any]:
    kubectl("wait", f"afr/{name}", "--for=condition=Finished", "--timeout=60s")
    return status(kubectl, name)


def run(kubectl: Kubectl, definition: dict[str, Any], name: str = "subject", **spec: Any) -> None:
    create(kubectl, manifest("ActionFlowRun", {"definition": definition, **spec}, name=name))


def in_state(kubectl: Kubectl, state: str) -> None:
    wait_until(
        lambda: [one["name"] for one in status(kubectl).get("states", [])] == [state],
        timeout=30,
        what=f"the state {state}",
    )


@pytest.mark.usefixtures("operator")
def test_a_flow_is_run_to_its_end_and_says_how_it_went(kubectl: Kubectl) -> None:
    create(kubectl, manifest("ActionFlow", {"definition": CHAIN}))
    create(kubectl, manifest("ActionFlowRun", {"flowRef": {"name": "subject"}, "input": {"n": 1}}))
    found = finished(kubectl)
    assert (found["phase"], found["output"]["done"]["state_name"]) == ("Succeeded", "Nap")
    assert [one["code"] for one in found["log"]][:3] == ["FlowStarted", "ActionStarted", "ActionCompleted"]
    assert found["log"][2]["details"]["output"]["done"]["details"] == {"n": 2, "none": None}
    assert kubectl("get", "afr", "subject", "--no-headers").split()[:3] == ["subject", "Succeeded", "subject"]


def test_a_run_goes_on_where_a_killed_operator_has_left_it(kubectl: Kubectl, operators: Operators) -> None:
    if not operators.running:
        operators.start(SETTINGS)
    run(kubectl, CHAIN, input={"n": 1})
    in_state(kubectl, "Nap")
    wait_until(lambda: len(actions(kubectl)) == 2, timeout=30, what="the action of the state Nap")
    before = {one["metadata"]["uid"] for one in actions(kubectl)}
    operators.kill()
    operators.start(SETTINGS)
    assert finished(kubectl)["phase"] == "Succeeded"
    found = actions(kubectl)
    assert {one["metadata"]["uid"] for one in found} == before  # nothing was made twice, or anew
    assert [one["status"]["attempt"] for one in found] == [1, 1]


def test_another_replica_takes_over(kubectl: Kubectl, operators: Operators) -> None:
    operators.stop()
    first = operators.start(SETTINGS)
    branch = {"StartAt": "A", "States": {"A": action("B", "taskaction://executor/sleep", NAP), "B": action()}}
    states = {"All": {"Type": "Parallel", "Branches": [branch] * 6, "ResultPath": "$.all", "End": True}}
    run(kubectl, flow(states))
    run(kubectl, flow(states), name="other")
    operators.start(SETTINGS)
    operators.running.remove(first)
    first.program.end()
    for name in ("subject", "other"):
        found = finished(kubectl, name)
        assert (found["phase"], len(found["output"]["all"])) == ("Succeeded", 6)
    assert len(actions(kubectl)) == 24


def test_a_map_of_hundreds_of_actions_keeps_within_its_limit_and_its_object_small(
    kubectl: Kubectl, operators: Operators
) -> None:
    if not operators.running:
        operators.start(SETTINGS)
    nap = action(url="taskaction://executor/sleep", parameters={"duration": "200ms"}, ResultPath=None)
    each = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": flow({"Nap": nap}), "MaxConcurrency": MOST}
    run(kubectl, flow({"Each": {**each, "ResultPath": "$.out", "End": True}}), input={"items": list(range(ITEMS))})
    kubectl("wait", "afr/subject", "--for=condition=Finished", "--timeout=120s")
    found = status(kubectl)
    assert (found["phase"], found["output"]["out"]) == ("Succeeded", list(range(ITEMS)))
    assert len(json.dumps(found)) < 32 * 1024
    made = actions(kubectl)
    assert len(made) == ITEMS
    assert most_at_a_time(made) <= MOST


def most_at_a_time(made: list[dict[str, Any]]) -> int:
    """Give how many actions were under way at a time, at most; an end comes before a beginning at the same moment."""
    moments = [(one["status"]["finishedAt"], -1) for one in made] + [(one["status"]["startedAt"], 1) for one in made]
    return max(itertools.accumulate(change for _, change in sorted(moments)))


def test_an_aborted_run_takes_its_actions_along(kubectl: Kubectl, operators: Operators) -> None:
    if not operators.running:
        operators.start(SETTINGS)
    run(kubectl, flow({"Long": action(url="taskaction://executor/sleep", parameters={"duration": "1h"})}))
    in_state(kubectl, "Long")
    merge(kubectl, "afr", "subject", {"spec": {"abort": {"reason": "enough"}}})
    found = finished(kubectl)
    assert (found["phase"], found["message"]) == ("Aborted", "enough")
    assert [one["status"]["reason"] for one in actions(kubectl)] == ["ParentAborted"]


def test_a_run_without_an_account_may_use_no_provider(kubectl: Kubectl, operators: Operators) -> None:
    if not operators.running:
        operators.start(SETTINGS)
    create(kubectl, manifest("ActionProvider", {"executor": "noop"}, name="p"))
    use = flow({"Use": action(url="taskaction://provider/p")})
    run(kubectl, use)
    error = finished(kubectl)["error"]
    assert error["code"] == "ActionUnableToRun"
    assert "spec.runAs" in error["message"]
    run(kubectl, use, name="granted", runAs={"serviceAccountName": "runner"})
    assert "ServiceAccount 'runner'" in finished(kubectl, "granted")["error"]["message"]
    kubectl("create", "serviceaccount", "runner")
    kubectl("create", "role", "runner", "--verb=create", "--resource=taskactions.taskaction.dev")
    kubectl("create", "rolebinding", "runner", "--role=runner", f"--serviceaccount={kubectl.namespace}:runner")
    run(kubectl, use, name="without-use", runAs={"serviceAccountName": "runner"})
    assert "needs the verb use" in finished(kubectl, "without-use")["error"]["message"]
    rule = {"apiGroups": ["taskaction.dev"], "resources": ["actionproviders"], "resourceNames": ["p"], "verbs": ["use"]}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "user"}, "rules": [rule]}
    create(kubectl, role)
    kubectl("create", "rolebinding", "user", "--role=user", f"--serviceaccount={kubectl.namespace}:runner")
    run(kubectl, use, name="allowed", runAs={"serviceAccountName": "runner"})
    assert finished(kubectl, "allowed")["phase"] == "Succeeded"


def test_private_data_is_in_secrets_of_the_account_and_a_flow_runs_another(
    kubectl: Kubectl, operators: Operators
) -> None:
    if not operators.running:
        operators.start(SETTINGS)
    kubectl("create", "serviceaccount", "runner")
    verbs = {"taskactions": ["create"], "actionflowruns": ["create", "get", "delete"]}
    rules = [{"apiGroups": ["taskaction.dev"], "resources": [one], "verbs": verbs[one]} for one in verbs]
    rules.append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get", "delete"]})
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "runner"},
        "rules": rules,
    }
    create(kubectl, role)
    kubectl("create", "rolebinding", "runner", "--role=runner", f"--serviceaccount={kubectl.namespace}:runner")
    hidden = {"__Private_Parameters": ["output"], "output.$": "$._private_word"}
    account = {"runAs": {"serviceAccountName": "runner"}}
    say = flow({"Say": action(parameters=hidden, ResultPath=None)})
    run(kubectl, say, name="hiding", input={"_private_word": "s3cret", "n": 1}, **account)
    found = finished(kubectl, "hiding")
    assert (found["phase"], found["output"]) == ("Succeeded", {"n": 1})
    (said,) = actions(kubectl)
    assert "s3cret" not in json.dumps([found, said])
    assert said["spec"]["parametersFrom"][0]["parameter"] == "output"
    create(kubectl, manifest("ActionFlow", {"definition": flow({"Only": action()})}, name="inner"))
    states = {"In": action(url="taskaction://executor/flow", parameters={"flow": "inner", "input": {"n": 2}})}
    run(kubectl, flow(states), **account)
    found = finished(kubectl)
    assert (found["phase"], found["output"]["done"]["details"]["n"]) == ("Succeeded", 2)
