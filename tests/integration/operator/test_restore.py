"""A backup that is restored: what happens once more, what does not, and by which fields; as Velero does it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import (
    Body,
    action,
    all_finished,
    create,
    get,
    phase,
    reason,
    wait_for,
    wait_for_all,
    wait_for_phase,
)
from support.api import list_objects
from support.operators import QUICK_LEASES, Operators
from support.world import World, keyed

SETTINGS = QUICK_LEASES
SERVER_SET = {  # what Velero leaves out of what it restores, beside the status
    "generateName", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds", "ownerReferences", "managedFields",
}  # fmt: skip


def backed_up(item: Body) -> Body:
    metadata = {name: value for name, value in item["metadata"].items() if name not in SERVER_SET}
    return {**{name: value for name, value in item.items() if name != "status"}, "metadata": metadata}


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def backup(kubectl: Kubectl) -> list[Body]:
    found: list[Body] = list_objects(kubectl, "taskactions")
    return found


def delete_all(kubectl: Kubectl) -> None:
    kubectl("delete", "taskactions", "--all", "--timeout=30s")
    assert backup(kubectl) == []


@pytest.mark.usefixtures("operator")
def test_a_restored_action_runs_again_and_a_key_tells_the_target_so(kubectl: Kubectl) -> None:
    with World() as world:
        create(kubectl, [
            action("with-key", "http", keyed(world.url, "with-key"), idempotencyKey="deploy-shop-7"),
            action("without-key", "http", keyed(world.url, "without-key")),
        ])  # fmt: skip
        wait_for_all(kubectl, all_finished)
        saved = backup(kubectl)
        delete_all(kubectl)
        create(kubectl, [backed_up(item) for item in saved])
        found = wait_for_all(kubectl, all_finished)
        assert {name: phase(item) for name, item in found.items()} == dict.fromkeys(found, "Succeeded")
        assert len(found) == 2
        assert world.effects["keyed/with-key"] == 1
        assert world.effects["keyed/without-key"] == 2


@pytest.mark.usefixtures("operator")
def test_an_action_with_a_latest_start_is_not_started_by_a_late_restore(kubectl: Kubectl) -> None:
    with World() as world:
        create(kubectl, [action("guarded", "http", keyed(world.url, "guarded"), notAfter=in_seconds(3))])
        wait_for_phase(kubectl, "guarded", "Succeeded")
        (saved,) = backup(kubectl)
        delete_all(kubectl)
        wait_until(lambda: in_seconds(0) > saved["spec"]["notAfter"], timeout=10, what="the latest start to pass")
        create(kubectl, [backed_up(saved)])
        ended = wait_for(kubectl, "guarded")
        assert (phase(ended), reason(ended)) == ("TimedOut", "StartDeadlineExceeded")
        assert world.effects["keyed/guarded"] == 1


@pytest.mark.usefixtures("operator")
def test_what_is_restored_while_no_operator_runs_is_as_it_was(operators: Operators, kubectl: Kubectl) -> None:
    """A parent may come after its child then, and the status of what has ended before the operator looks."""
    asks = {"prompt": "?"}
    with World() as world:
        create(kubectl, [
            action("done", "http", keyed(world.url, "done")),
            action("parent", "approval", asks),
            action("child", "approval", asks, parentRef={"kind": "TaskAction", "name": "parent"}),
        ])  # fmt: skip
        wait_for_phase(kubectl, "done", "Succeeded")
        wait_for_phase(kubectl, "child", "Paused")
        saved = backup(kubectl)
        delete_all(kubectl)
        operators.stop()
        create(kubectl, sorted((backed_up(item) for item in saved), key=lambda item: item["metadata"]["name"]))
        (status,) = (item["status"] for item in saved if item["metadata"]["name"] == "done")
        kubectl(
            "replace", "--subresource=status", "-f", "-", stdin=json.dumps({**get(kubectl, "done"), "status": status})
        )
        operators.start(QUICK_LEASES)
        wait_for_phase(kubectl, "child", "Paused")
        assert get(kubectl, "done")["status"] == status
        assert world.effects["keyed/done"] == 1
        (owner,) = get(kubectl, "child")["metadata"]["ownerReferences"]
        assert owner["uid"] == get(kubectl, "parent")["metadata"]["uid"]
        assert owner["uid"] not in {item["metadata"]["uid"] for item in saved}
