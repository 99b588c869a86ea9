"""E5, E7, E8: a replica with a wrong clock does nothing; Leases of dead replicas go; an outage takes two log lines."""

import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from cluster.controlplane import ControlPlane
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local.operator_process import Operator
from support.actions import action, create, get, phase, wait_for_phase
from support.operators import PLUGIN, QUICK_LEASES, Operators, metric

SHIFT = """
import os
from datetime import timedelta
from taskaction.core import clock

_now = clock.SystemClock.now

def now(self):
    with open(os.environ["SHIFT_FILE"]) as file:
        return _now(self) + timedelta(seconds=float(file.read() or 0))

clock.SystemClock.now = now
"""
AWAY_SECONDS = 6.0


def readiness(operator: Operator) -> str:
    try:
        with urllib.request.urlopen(f"{operator.url}/readyz", timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


def test_e05_a_replica_with_a_wrong_clock_releases_its_shards_and_says_so(
    kubectl: Kubectl, operators: Operators, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SHIFT)
    shift = tmp_path / "shift"
    shift.write_text("0")
    path = os.pathsep.join([str(tmp_path), str(PLUGIN)])
    operator = operators.start({**QUICK_LEASES, "PYTHONPATH": path, "SHIFT_FILE": str(shift)})
    create(kubectl, [action("asked", "approval", {"prompt": "?"}, timeouts={"total": "10m"})])
    wait_for_phase(kubectl, "asked", "Paused")

    shift.write_text("3600")
    wait_until(lambda: metric(operator, "shards_held") == 0, timeout=20, what="the shards to be released")
    assert "the clock differs from the API server's by +3600s" in readiness(operator)
    create(kubectl, [action("later")])
    time.sleep(1.0)  # long enough for a replica that works
    assert (phase(get(kubectl, "later")), phase(get(kubectl, "asked"))) == ("Queued", "Paused")

    shift.write_text("0")
    wait_for_phase(kubectl, "later", "Succeeded")
    assert phase(get(kubectl, "asked")) == "Paused"
    operators.stop()
    assert "clock differs from the API server's" in operators.log()


def test_e07_the_leases_of_dead_replicas_are_removed(kubectl: Kubectl, operators: Operators) -> None:
    for _ in range(2):
        operators.start(QUICK_LEASES)
        operators.kill()
    operators.start(QUICK_LEASES)

    def replicas() -> list[str]:
        found = kubectl("get", "leases", "-n", operators.namespace, "-l", "taskaction.dev/lease=replica", "-o", "name")
        return found.split()

    wait_until(lambda: len(replicas()) == 1, timeout=20, what="the Leases of dead replicas to go")
    operators.stop()


def test_e08_an_outage_takes_two_lines_of_the_log(
    kubectl: Kubectl, operators: Operators, control_plane: ControlPlane
) -> None:
    operator = operators.start({**QUICK_LEASES, "TASKACTION_LOG_FORMAT": "json"})
    before = len(operators.log())
    control_plane.kill_apiserver()
    time.sleep(AWAY_SECONDS)  # the length of the outage is the case
    control_plane.start_apiserver()
    wait_until(lambda: "responds again" in operators.log()[before:], timeout=60, what="the end of the outage")
    create(kubectl, [action("after")])
    wait_for_phase(kubectl, "after", "Succeeded")
    assert operator.program.is_running()
    operators.stop()
    lines = [json.loads(line) for line in operators.log()[before:].splitlines()]
    outage = [line["event"] for line in lines if line["event"].startswith("API server")]
    assert outage == ["API server does not respond, retrying", "API server responds again"]
    assert [line for line in lines if "will retry" in line["event"]] == []
