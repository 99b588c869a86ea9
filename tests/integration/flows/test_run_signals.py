"""Signals of runs on a real API server: through flows within flows, by the rights of accounts, with who answered."""

from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.api import get_object, list_objects
from support.operators import QUICK_LEASES, Operators
from support.refusals import create, manifest, merge

SETTINGS = QUICK_LEASES
ACCOUNT = {"runAs": {"serviceAccountName": "runner"}}


def ask(following: str | None, prompt: str) -> dict[str, Any]:
    way = {"End": True} if following is None else {"Next": following}
    return {
        "Type": "Action",
        "ActionUrl": "taskaction://executor/approval",
        "Parameters": {"prompt": prompt},
        "ResultPath": "$.done",
        **way,
    }


INNER = {"StartAt": "First", "States": {"First": ask("Second", "One?"), "Second": ask(None, "Two?")}}
OUTER = {
    "StartAt": "In",
    "States": {
        "In": {
            "Type": "Action",
            "ActionUrl": "taskaction://executor/flow",
            "Parameters": {"flow": "inner"},
            "ResultPath": "$.done",
            "End": True,
        }
    },
}


def status(kubectl: Kubectl, kind: str = "afr", name: str = "subject") -> dict[str, Any]:
    return dict(get_object(kubectl, kind, name).get("status", {}))


def says(kubectl: Kubectl, text: str, kind: str = "afr", name: str = "subject") -> None:
    wait_until(lambda: text in status(kubectl, kind, name).get("message", ""), timeout=60, what=f"{text!r}")


def granted(kubectl: Kubectl, *verbs: str) -> None:
    """Give the account of runs what it needs, and these verbs on runs."""
    kubectl("create", "serviceaccount", "runner")
    rules = [
        {"apiGroups": ["taskaction.dev"], "resources": ["taskactions"], "verbs": ["create"]},
        {
            "apiGroups": ["taskaction.dev"],
            "resources": ["actionflowruns"],
            "verbs": ["create", "get", "delete", *verbs],
        },
    ]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "runner"}}
    create(kubectl, role | {"rules": rules})
    kubectl("create", "rolebinding", "runner", "--role=runner", f"--serviceaccount={kubectl.namespace}:runner")


def events(kubectl: Kubectl, kind: str = "ActionFlowRun") -> list[tuple[str, str]]:
    found = list_objects(kubectl, "events")
    return [(one["reason"], one["message"]) for one in found if one["involvedObject"]["kind"] == kind]


@pytest.mark.usefixtures("operator")
def test_a_run_of_flows_within_flows_is_answered_from_above(kubectl: Kubectl) -> None:
    granted(kubectl, "patch", "signal")
    create(kubectl, manifest("ActionFlow", {"definition": INNER}, name="inner"))
    create(kubectl, manifest("ActionFlowRun", {"definition": OUTER, **ACCOUNT}))
    says(kubectl, "First: One?")
    merge(kubectl, "afr", "subject", {"spec": {"signal": {"value": True, "id": "a"}}})
    says(kubectl, "Second: Two?")
    merge(kubectl, "afr", "subject", {"spec": {"signal": {"value": True, "id": "b"}}})
    kubectl("wait", "afr/subject", "--for=condition=Succeeded", "--timeout=60s")
    told = events(kubectl)
    assert [reason for reason, _ in told].count("Signalled") == 4  # of two runs, twice each
    assert any(message.endswith("answered First") for _, message in told)


def test_an_action_that_runs_a_flow_is_answered_once_whoever_is_killed(kubectl: Kubectl, operators: Operators) -> None:
    if not operators.running:
        operators.start(SETTINGS)
    granted(kubectl, "patch", "signal")
    create(kubectl, manifest("ActionFlow", {"definition": INNER}, name="inner"))
    create(kubectl, manifest("TaskAction", {"executor": "flow", "parameters": {"flow": "inner"}, **ACCOUNT}))
    says(kubectl, "First: One?", "ta")
    merge(kubectl, "ta", "subject", {"spec": {"signal": {"value": True}}})
    says(kubectl, "Second: Two?", "ta")
    operators.kill()
    operators.start(SETTINGS)
    (run,) = list_objects(kubectl, "afr")
    merge(kubectl, "afr", run["metadata"]["name"], {"spec": {"signal": {"value": False}}})
    kubectl("wait", "ta/subject", "--for=condition=Succeeded", "--timeout=60s")
    assert status(kubectl, "ta")["output"]["done"]["details"]["value"] is False


def test_an_account_without_the_right_is_told_and_can_be_given_it(kubectl: Kubectl, operators: Operators) -> None:
    if not operators.running:
        operators.start(SETTINGS)
    granted(kubectl, "patch")
    create(kubectl, manifest("ActionFlow", {"definition": INNER}, name="inner"))
    create(kubectl, manifest("TaskAction", {"executor": "flow", "parameters": {"flow": "inner"}, **ACCOUNT}))
    says(kubectl, "First: One?", "ta")
    merge(kubectl, "ta", "subject", {"spec": {"signal": {"value": True}}})
    says(kubectl, "needs the verb signal on actionflowruns", "ta")
    kubectl("create", "role", "signals", "--verb=signal", "--resource=actionflowruns.taskaction.dev")
    kubectl("create", "rolebinding", "signals", "--role=signals", f"--serviceaccount={kubectl.namespace}:runner")
    merge(kubectl, "ta", "subject", {"spec": {"signal": {"value": True, "id": "again"}}})
    says(kubectl, "Second: Two?", "ta")
