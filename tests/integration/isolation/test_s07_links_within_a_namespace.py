"""S7: an ownerReference reaches nobody but the object that it names, in the namespace of the child."""

from collections.abc import Callable

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local.operator_process import Operator
from support.actions import action, get, is_finished, phase, reason, wait_for, wait_for_phase
from support.api import create_object, list_objects
from support.attackers import CREATOR, make_account

LASTS = {"duration": "1h"}


def owned(name: str, owner: dict, executor: str = "sleep", parameters: dict | None = None) -> dict:
    body = action(name, executor, LASTS if parameters is None else parameters)
    body["metadata"]["ownerReferences"] = [owner]
    return body


def owner_of(parent: dict, **changes: str) -> dict:
    metadata = parent["metadata"]
    known = {"apiVersion": parent["apiVersion"], "kind": "TaskAction", "name": metadata["name"], "uid": metadata["uid"]}
    return known | changes


def live_parent(kubectl: Kubectl) -> dict:
    create_object(kubectl, action("parent", "sleep", LASTS))
    parent = wait_for_phase(kubectl, "parent", "Running")
    create_object(kubectl, owned("child", owner_of(parent)))
    wait_for_phase(kubectl, "child", "Running")
    return parent


def finished_parent(kubectl: Kubectl) -> dict:
    """A parent that the operator no longer has in memory, with a live child."""
    create_object(kubectl, action("parent", "sleep", {"duration": "2s"}))
    parent = wait_for_phase(kubectl, "parent", "Running")
    create_object(kubectl, owned("child", owner_of(parent)))
    wait_for_phase(kubectl, "child", "Running")
    return wait_for_phase(kubectl, "parent", "Succeeded")


def wait_until_over(kubectl: Kubectl, name: str) -> None:
    """Return when an action with a forged link has ended; the garbage collector may have deleted it."""

    def is_over() -> bool:
        found = {item["metadata"]["name"]: item for item in list_objects(kubectl, "ta")}
        return name not in found or is_finished(found[name])

    wait_until(is_over, timeout=60, what=f"{name} to end", every=0.1)


@pytest.mark.parametrize("make_parent", [live_parent, finished_parent], ids=["live", "finished"])
def test_s07_a_child_in_another_namespace_ends_no_child_of_the_victim(
    operator: Operator, attacker: Kubectl, victim: Kubectl, make_parent: Callable[[Kubectl], dict]
) -> None:
    parent = make_parent(victim)
    user = make_account(attacker, "creator", *CREATOR)
    create_object(attacker, owned("forged", owner_of(parent)), f"--as={user}")
    wait_until_over(attacker, "forged")
    create_object(victim, action("later"))
    wait_for_phase(victim, "later", "Succeeded")
    assert phase(get(victim, "child")) == "Running"
    assert phase(get(victim, "parent")) == phase(parent)


FORGED = {
    "by another name": {"name": "no-such-action"},
    "by another kind": {"kind": "ActionFlowRun"},
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_s07_a_link_to_a_wrong_object_ends_no_child_of_the_same_namespace(
    operator: Operator, victim: Kubectl, change: dict
) -> None:
    parent = live_parent(victim)
    user = make_account(victim, "creator", *CREATOR)
    create_object(victim, owned("forged", owner_of(parent, **change)), f"--as={user}")
    wait_until_over(victim, "forged")
    create_object(victim, action("later"))
    wait_for_phase(victim, "later", "Succeeded")
    assert phase(get(victim, "child")) == "Running"


def test_s07_a_true_parent_still_ends_its_children(operator: Operator, victim: Kubectl) -> None:
    live_parent(victim)
    victim("patch", "ta", "parent", "--type=merge", "--patch", '{"spec": {"abort": {"reason": "enough"}}}')
    assert reason(wait_for(victim, "child")) == "ParentAborted"
