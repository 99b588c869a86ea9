"""E3, E4, E6: what a change of owner and a stall of the API server leave exact: the grace, the rate, the epochs."""

import json
import time
from datetime import datetime
from itertools import combinations

from cluster.controlplane import ControlPlane
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import action, create, get, patch, wait_for, wait_for_all, wait_for_phase
from support.operators import QUICK_LEASES, Operators
from support.world import World, once

GRACE = 8.0
SETTINGS = {**QUICK_LEASES, "TASKACTION_SHARDS": "1", "TASKACTION_INTERRUPT_GRACE": f"{GRACE:g}s"}
REQUESTS, BURST, STARTS = 4, 2, 12
STALL_SECONDS = 3.0


def acquisitions(kubectl: Kubectl, operators: Operators) -> list[float]:
    """Give when the only shard was acquired, oldest first."""
    text = kubectl("get", "lease", "taskaction-shard-0", "-n", operators.namespace, "-o", "json")
    kept = json.loads(text)["metadata"]["annotations"]["taskaction.dev/acquisitions"]
    return [float(one.partition("@")[2]) for one in kept.split()]


def test_e03_the_grace_of_an_interrupted_action_counts_once(kubectl: Kubectl, operators: Operators) -> None:
    with World(seconds=120.0) as world:
        operators.start(SETTINGS)
        create(kubectl, [action("cut", "http", once(world.url, "cut"))])
        wait_until(lambda: world.effects["once/cut"], timeout=30, what="the call")
        operators.kill()
        second, _ = operators.start(SETTINGS), operators.start(SETTINGS)
        wait_until(lambda: len(acquisitions(kubectl, operators)) == 2, timeout=30, what="a second owner")
        time.sleep(GRACE / 2)  # within the grace, the shard changes hands again
        second.stop()
        status = wait_for(kubectl, "cut")["status"]
    owners = acquisitions(kubectl, operators)
    operators.kill()
    assert status["error"]["code"] == "Interrupted"
    ended = datetime.fromisoformat(status["finishedAt"]).timestamp()
    assert ended >= owners[1] + GRACE - 0.1
    assert ended < owners[-1] + GRACE or len(owners) == 2


def test_e04_a_rate_holds_at_the_target_while_the_api_server_stalls(
    kubectl: Kubectl, operators: Operators, control_plane: ControlPlane
) -> None:
    limits = {"rate": {"requests": REQUESTS, "per": "1s", "burst": BURST}}
    with World() as world:
        call = once(world.url, "{{ parameters.name }}")
        provider = {"metadata": {"name": "limited"}, "spec": {"executor": "http", "config": call, "limits": limits}}
        create(kubectl, [{"apiVersion": "taskaction.dev/v1alpha1", "kind": "ActionProvider", **provider}])
        operators.start({**QUICK_LEASES, "TASKACTION_LEASE_DURATION": "15s", "TASKACTION_LEASE_RENEW_DEADLINE": "10s"})
        ref = {"kind": "ActionProvider", "name": "limited"}
        create(kubectl, [action(f"r{n}", parameters={"name": f"r{n}"}, providerRef=ref) for n in range(STARTS)])
        control_plane.pause_apiserver()
        time.sleep(STALL_SECONDS)  # the length of the stall is the case
        control_plane.resume_apiserver()
        wait_until(lambda: len(world.history) == STARTS, timeout=60, what="all starts")
        moments = [at for at, _ in world.history]
    wait_for_all(kubectl, lambda found: all("finishedAt" in one.get("status", {}) for one in found.values()))
    operators.stop()
    for first, last in combinations(range(STARTS), 2):
        assert last - first + 1 <= BURST + (moments[last] - moments[first] + 0.1) * REQUESTS


def test_e06_claims_of_a_clock_that_was_ahead_fail_nothing(kubectl: Kubectl, operators: Operators) -> None:
    operators.start(SETTINGS)
    create(kubectl, [action("asked", "approval", {"prompt": "?"})])
    claim = wait_for_phase(kubectl, "asked", "Paused")["status"]["claim"]
    operators.stop()
    ahead = json.dumps({"status": {"claim": {**claim, "epoch": claim["epoch"] + 3600}}})
    kubectl("patch", "ta", "asked", "--subresource=status", "--type=merge", f"--patch={ahead}")
    kubectl("delete", "lease", "--all", "-n", operators.namespace)
    operators.start(SETTINGS)
    patch(kubectl, "asked", {"signal": {"value": True}})
    wait_for_phase(kubectl, "asked", "Succeeded")
    assert get(kubectl, "asked")["status"]["claim"]["epoch"] > claim["epoch"] + 3600
    operators.stop()
