"""S6: a run, and an action that runs a flow, continue with nobody's objects but those that they created."""

from collections.abc import Iterator
from typing import Any

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local import policies
from local.manifests import POLICIES
from support.actions import action, get, is_finished, patch, phase, wait_for, wait_for_phase
from support.api import create_object, get_object, list_objects, wait_for_object
from support.attackers import CREATOR, make_account
from support.operators import QUICK_LEASES, Operators
from support.people import right
from support.refusals import assert_says, create, manifest, merge, merge_refusal, refusal
from taskaction.core.constants import ORIGIN_ANNOTATION, VISIT_ANNOTATION
from taskaction.core.names import child_name, visit_name

SETTINGS = QUICK_LEASES
ORIGIN = "taskaction.dev/origin"
ANSWER = {"signal": {"value": True}}
FOREIGN = "was not created by this run"


def ask(following: str | None, prompt: str) -> dict[str, Any]:
    way = {"End": True} if following is None else {"Next": following}
    state = {"Type": "Action", "ActionUrl": "taskaction://executor/approval", "Parameters": {"prompt": prompt}}
    return state | {"ResultPath": "$.done"} | way


FLOW = {"StartAt": "First", "States": {"First": ask("Pay", "Begin?"), "Pay": ask(None, "Pay?")}}


@pytest.fixture
def run(victim: Kubectl) -> dict:
    """A run that waits for an answer to its first question; its second visit comes next."""
    create(victim, manifest("ActionFlowRun", {"definition": FLOW}, name="payment"))
    return wait_for_object(victim, "afr", "payment", lambda found: phase(found) == "Paused")


@pytest.fixture
def creator(victim: Kubectl) -> str:
    return make_account(victim, "creator", *CREATOR)


def visit_of(run: dict, visit: str) -> str:
    return visit_name(run["metadata"]["name"], run["metadata"]["uid"], visit)


def forged(run: dict, name: str, executor: str = "noop", **annotations: str) -> dict:
    """An action that looks like the second visit of a run."""
    metadata = run["metadata"]
    owner = {"apiVersion": run["apiVersion"], "kind": "ActionFlowRun", "name": metadata["name"], "uid": metadata["uid"]}
    ref = {"kind": "ActionFlowRun", "name": metadata["name"], "uid": metadata["uid"]}
    body = action(name, executor, {"prompt": "Pay?"} if executor == "approval" else None, parentRef=ref)
    body["spec"]["idempotencyKey"] = f"{metadata['uid']}/2"
    body["metadata"] |= {"ownerReferences": [owner], "annotations": {VISIT_ANNOTATION: "2", **annotations}}
    return body


def wait_for_pause(victim: Kubectl, name: str) -> None:
    """Return when an action, which may not exist yet, waits for an answer."""

    def pauses() -> bool:
        return any(item["metadata"]["name"] == name and phase(item) == "Paused" for item in list_objects(victim, "ta"))

    wait_until(pauses, timeout=30, what=f"{name} to wait", every=0.05)


def answer_first(victim: Kubectl) -> None:
    merge(victim, "afr", "payment", {"spec": ANSWER})


def ended(victim: Kubectl) -> dict:
    return wait_for_object(victim, "afr", "payment", is_finished)


@pytest.mark.usefixtures("operator")
def test_s06_a_run_does_not_take_an_action_with_the_name_of_its_next_visit(
    victim: Kubectl, run: dict, creator: str
) -> None:
    name = visit_of(run, "2")
    create_object(victim, forged(run, name), f"--as={creator}")
    wait_for_phase(victim, name, "Succeeded")
    answer_first(victim)
    found = ended(victim)
    assert phase(found) == "Failed"
    assert_says(str(found["status"]), (f"TaskAction '{name}'", FOREIGN, ORIGIN, "delete it"))


@pytest.mark.usefixtures("operator")
def test_s06_a_run_hears_nothing_of_an_action_that_only_names_its_visit(
    victim: Kubectl, run: dict, creator: str
) -> None:
    answer_first(victim)
    wait_for_pause(victim, visit_of(run, "2"))
    create_object(victim, forged(run, "looks-like-it"), f"--as={creator}")
    wait_for_phase(victim, "looks-like-it", "Succeeded")
    create_object(victim, action("later"))
    wait_for_phase(victim, "later", "Succeeded")
    assert phase(get_object(victim, "afr", "payment")) == "Paused"
    assert phase(get(victim, visit_of(run, "2"))) == "Paused"


@pytest.mark.usefixtures("operator")
def test_s06_nobody_but_the_operator_writes_the_mark_of_its_actions(victim: Kubectl, run: dict) -> None:
    editor = make_account(victim, "editor", *CREATOR, right("patch", "taskactions"), right("patch", "actionflowruns"))
    mark = {ORIGIN: f"{run['metadata']['uid']}/2"}
    says = (ORIGIN, "may not set, change or remove it")
    assert_says(refusal(victim, forged(run, visit_of(run, "2"), **mark), f"--as={editor}"), says)
    create_object(victim, forged(run, "plain"), f"--as={editor}")
    assert_says(merge_refusal(victim, "ta", "plain", {"metadata": {"annotations": mark}}, f"--as={editor}"), says)
    own = visit_of(run, "1")
    assert get(victim, own)["metadata"]["annotations"][ORIGIN_ANNOTATION] == f"{run['metadata']['uid']}/1"
    for value in (None, "other"):
        change = {"metadata": {"annotations": {ORIGIN: value}}}
        assert_says(merge_refusal(victim, "ta", own, change, f"--as={editor}"), says)
    assert_says(merge_refusal(victim, "afr", "payment", {"metadata": {"annotations": mark}}, f"--as={editor}"), says)
    merge(victim, "ta", own, {"metadata": {"labels": {"team": "a"}}}, f"--as={editor}")


def test_s06_a_run_finds_its_own_action_again_after_a_crash(operators: Operators, victim: Kubectl) -> None:
    operators.stop()
    operators.start(SETTINGS)
    create(victim, manifest("ActionFlowRun", {"definition": FLOW}, name="payment"))
    run = wait_for_object(victim, "afr", "payment", lambda found: phase(found) == "Paused")
    operators.kill()
    patch(victim, visit_of(run, "1"), ANSWER)
    operators.start(SETTINGS)
    wait_for_pause(victim, visit_of(run, "2"))
    patch(victim, visit_of(run, "2"), ANSWER)
    assert phase(ended(victim)) == "Succeeded"


@pytest.fixture
def unguarded(crds: Cluster, victim: Kubectl) -> Iterator[None]:
    """A cluster on which the policy does not act."""
    crds.kubectl("delete", "validatingadmissionpolicybinding", "origin.taskaction.dev")
    body = manifest("TaskAction", {"executor": "noop"}, annotations={ORIGIN: "probe"})

    def acts() -> bool:
        try:
            create(victim, body, "--dry-run=server")
        except Exception:  # noqa: BLE001 - KubectlError, whatever it says
            return True
        return False

    try:
        wait_until(lambda: not acts(), timeout=30, what="the policy to end", every=0.1)
        yield
    finally:
        policies.install(crds.kubectl, POLICIES)


def test_s06_without_the_policy_a_perfect_forgery_is_refused(
    operators: Operators, victim: Kubectl, unguarded: None
) -> None:
    operators.stop()
    operators.start(SETTINGS)
    creator = make_account(victim, "creator", *CREATOR)
    create(victim, manifest("ActionFlowRun", {"definition": FLOW}, name="payment"))
    run = wait_for_object(victim, "afr", "payment", lambda found: phase(found) == "Paused")
    mark = {ORIGIN: f"{run['metadata']['uid']}/2"}
    name = visit_of(run, "2")
    body = forged(run, name, "approval", **mark)
    own = get(victim, visit_of(run, "1"))["spec"]
    body["spec"] = own | {"parameters": {"prompt": "Pay?"}, "idempotencyKey": f"{run['metadata']['uid']}/2"}
    create_object(victim, body, f"--as={creator}")
    answer_first(victim)
    found = ended(victim)
    assert phase(found) == "Failed"
    assert_says(str(found["status"]), (FOREIGN, "policy origin.taskaction.dev", "is not installed"))


def test_s06_an_action_that_runs_a_flow_does_not_take_a_run_of_somebody_else(
    operators: Operators, victim: Kubectl
) -> None:
    operators.stop()
    create(victim, manifest("ActionFlow", {"definition": FLOW}, name="pay"))
    make_account(victim, "runner", *CREATOR, *(right(verb, "actionflowruns") for verb in ("create", "get", "delete")))
    attacker = make_account(
        victim, "attacker", *(right(verb, "actionflowruns") for verb in ("create", "get")), *CREATOR
    )
    runner = {"runAs": {"serviceAccountName": "runner"}}
    create_object(victim, action("above", "flow", {"flow": "pay"}, **runner))
    metadata = get(victim, "above")["metadata"]
    name = child_name("above", metadata["uid"], 1)
    empty = {"StartAt": "End", "States": {"End": {"Type": "Pass", "Parameters": {"paid": True}, "End": True}}}
    labels = {"taskaction.dev/uid": metadata["uid"], "taskaction.dev/attempt": "1"}
    body = manifest("ActionFlowRun", {"definition": empty}, name=name, labels=labels)
    create_object(victim, body, f"--as={attacker}")
    operators.start(SETTINGS)
    found = wait_for(victim, "above")
    assert phase(found) == "Failed"
    assert_says(found["status"]["message"], (f"ActionFlowRun '{name}'", "is not this action's", ORIGIN))
