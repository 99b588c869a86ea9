"""S26: who may edit an object cannot have it deleted by that, nor keep it from being deleted."""

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local import policies
from local.manifests import POLICIES
from local.operator_process import Operator
from support.actions import action, wait_for_phase
from support.api import create_object, get_object, list_objects
from support.attackers import CREATOR, make_account
from support.people import right
from support.refusals import assert_says, create, manifest, merge, merge_refusal, refusal

FINALIZER = "taskaction.dev/abort"
BOGUS = {"apiVersion": "v1", "kind": "ConfigMap", "name": "no-such-map", "uid": "00000000-0000-0000-0000-000000000000"}
KINDS = {
    "ta": manifest("TaskAction", {"executor": "approval"}, name="kept"),
    "afr": manifest("ActionFlowRun", {"definition": {"StartAt": "A"}, "suspend": True}, name="kept"),
    "af": manifest("ActionFlow", {"definition": {"StartAt": "A"}}, name="kept"),
    "ap": manifest("ActionProvider", {"executor": "noop"}, name="kept"),
    "ae": manifest("ActionEvent", {"type": "Webhook", "target": {"name": "a"}}, name="kept"),
}
PLURALS = {
    "ta": "taskactions",
    "afr": "actionflowruns",
    "af": "actionflows",
    "ap": "actionproviders",
    "ae": "actionevents",
}


@pytest.mark.parametrize("kind", KINDS)
def test_s26_an_owner_is_added_by_nobody_who_may_not_delete(victim: Kubectl, kind: str) -> None:
    create_object(victim, KINDS[kind])
    plural = PLURALS[kind]
    patcher = make_account(victim, "patcher", right("patch", plural), right("get", plural))
    change = {"metadata": {"ownerReferences": [BOGUS]}}
    text = merge_refusal(victim, kind, "kept", change, f"--as={patcher}")
    assert_says(text, ("metadata.ownerReferences", f"needs the verb delete on {plural}/kept"))
    merge(victim, kind, "kept", {"metadata": {"labels": {"team": "a"}}}, f"--as={patcher}")
    deleter = make_account(victim, "deleter", right("patch", plural), right("delete", plural))
    merge(victim, kind, "kept", change, "--dry-run=server", f"--as={deleter}")


@pytest.mark.parametrize("kind", KINDS)
def test_s26_a_finalizer_of_the_operator_is_added_by_nobody_else(victim: Kubectl, kind: str) -> None:
    plural = PLURALS[kind]
    editor = make_account(victim, "editor", *(right(verb, plural) for verb in ("create", "get", "patch", "delete")))
    says = ("metadata.finalizers", "may not add one; remove it")
    with_finalizer = KINDS[kind] | {"metadata": {"name": "kept", "finalizers": [FINALIZER]}}
    if kind == "ta":
        assert_says(refusal(victim, with_finalizer, f"--as={editor}"), says)
    create_object(victim, KINDS[kind])
    change = {"metadata": {"finalizers": [FINALIZER]}}
    assert_says(merge_refusal(victim, kind, "kept", change, f"--as={editor}"), says)


@pytest.fixture
def unguarded(crds: Cluster, victim: Kubectl):
    """A cluster on which the policy does not act."""
    crds.kubectl("delete", "validatingadmissionpolicybinding", "deletion.taskaction.dev")
    body = action("probe") | {"metadata": {"name": "probe", "finalizers": [FINALIZER]}}
    editor = make_account(victim, "editor", *CREATOR)

    def is_gone() -> bool:
        try:
            create(victim, body, "--dry-run=server", f"--as={editor}")
        except Exception:  # noqa: BLE001 - KubectlError, whatever it says
            return False
        return True

    try:
        wait_until(is_gone, timeout=30, what="the policy to end", every=0.1)
        yield
    finally:
        policies.install(crds.kubectl, POLICIES)


@pytest.mark.parametrize("executor", ["noop", "approval"])
def test_s26_a_forged_finalizer_holds_no_action(
    operator: Operator, victim: Kubectl, unguarded: None, executor: str
) -> None:
    body = action("held", executor)
    body["metadata"]["finalizers"] = [FINALIZER]
    create_object(victim, body)
    wait_for_phase(victim, "held", "Succeeded" if executor == "noop" else "Paused")
    victim("delete", "ta", "held", "--wait=false")
    wait_until(lambda: not list_objects(victim, "ta"), timeout=30, what="the action to be gone", every=0.1)


def test_s26_a_forged_finalizer_holds_no_run(operator: Operator, victim: Kubectl, unguarded: None) -> None:
    flow = {"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 3600, "End": True}}}
    body = manifest("ActionFlowRun", {"definition": flow}, name="held", finalizers=[FINALIZER])
    create_object(victim, body)
    wait_until(
        lambda: get_object(victim, "afr", "held").get("status", {}).get("startedAt") is not None,
        timeout=30,
        what="the run to start",
    )
    victim("delete", "afr", "held", "--wait=false")
    wait_until(lambda: not list_objects(victim, "afr"), timeout=30, what="the run to be gone", every=0.1)
