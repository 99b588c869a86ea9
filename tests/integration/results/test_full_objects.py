"""R22: an object that fits into etcd, but not together with a status, says so once, costs nothing more, and can go."""

from pathlib import Path

import pytest

from cluster.errors import KubectlError
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import Body, action, create, get, wait_for
from support.api import create_object, list_objects
from support.lying_server import LyingServer
from support.operators import QUICK_LEASES, Operators, metric

SETTINGS = {**QUICK_LEASES, "TASKACTION_MAX_PARAMETERS_BYTES": "1000000"}
LOW, HIGH, ROOM = 1_570_000, 1_573_000, 40
"""Between these sizes of the parameters an object stops to fit into etcd; with ``ROOM`` bytes left, no status fits."""


def fits(kubectl: Kubectl, body: Body) -> bool:
    """Create an object; return False if it does not fit into etcd."""
    try:
        create_object(kubectl, body)
    except KubectlError as error:
        if "too large" not in str(error):
            raise
        return False
    return True


def create_full(kubectl: Kubectl, prefix: str, executor: str) -> str:
    """Create an action to which etcd can add no status, and return its name; no operator may be running."""
    low, high, best = LOW, HIGH, ""
    while high - low > ROOM:
        middle = (low + high) // 2
        name = f"{prefix}-{middle}"
        if fits(kubectl, action(name, executor, {"output": "x" * middle})):
            if best:
                kubectl("delete", "ta", best)
            low, best = middle, name
        else:
            high = middle
    assert best
    return best


@pytest.mark.parametrize("executor", ["noop", "once"], ids=["idempotent", "to be claimed"])
def test_r22_an_object_that_takes_no_status_says_so_once_and_can_be_deleted(
    kubectl: Kubectl, operators: Operators, tmp_path: Path, executor: str
) -> None:
    operators.kill()
    name = create_full(kubectl, "full", executor)
    with LyingServer(operators.kubeconfig) as server:
        operator = operators.start(SETTINGS, kubeconfig=server.write_kubeconfig(tmp_path / "kubeconfig"))
        wait_until(lambda: metric(operator, "status_refused_total") == 1, timeout=30, what="the metric")
        wait_until(lambda: bool(events(kubectl, name)), timeout=20, what="the Event")
        sent = server.count("PUT", f"/{name}/status")
        assert sent <= 3
        create(kubectl, [action("neighbour")])
        wait_for(kubectl, "neighbour")
        assert get(kubectl, name)["status"] == {"phase": "Queued"}
        assert (server.count("PUT", f"/{name}/status"), len(events(kubectl, name))) == (sent, 1)
        kubectl("delete", "ta", name, "--timeout=20s")
        wait_until(lambda: metric(operator, "actions_live") == 0, timeout=20, what="the operator to forget it")
        operators.kill()


def events(kubectl: Kubectl, name: str) -> list[Body]:
    """Return the Events about an action that takes no status."""
    found = list_objects(kubectl, "events")
    return [one for one in found if one["involvedObject"]["name"] == name and one["reason"] == "ObjectTooLarge"]
