"""R38 and R39: what an executor says of a run reaches Port, and runs that continue outside do not stop the agent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import create, get_all
from support.operators import QUICK_LEASES
from support.port_processes import NAME, PortAgents
from support.port_server import ACTION, NODE, PortServer

pytestmark = pytest.mark.usefixtures("operator")

SETTINGS = QUICK_LEASES


def until(check: Callable[[], bool], what: str) -> None:
    wait_until(check, timeout=60, what=what)


def test_r39_runs_that_continue_outside_leave_room_for_others(agents: PortAgents, port: PortServer) -> None:
    share = {"MAX_RUNS_BUFFER_UTIL_PCT_PER_ACTION": "100"}
    agent = agents.start({"RUNS_BUFFER_HIGH_WATERMARK": "2", "MAX_STARTED_RUNS": "3", **share})
    for number in range(2):
        port.add(f"r_long_{number}", "sleep", {"duration": "10m"})
    until(lambda: "port_agent_runs_started 2.0" in agent.ask("/metrics")[1], "both to have started")
    port.add("r_quick", "noop")
    until(lambda: port.runs["r_quick"].over, "the quick run to end")
    until(lambda: agent.ask("/readyz")[0] == 200, "the agent to be ready")
    port.add("r_long_2", "sleep", {"duration": "10m"})
    until(lambda: "MAX_STARTED_RUNS" in agent.ask("/readyz")[1], "readiness to name the limit")
    port.add("r_waiting", "noop")
    assert not port.runs["r_waiting"].acknowledged
    assert "port_agent_runs_started_limit 3.0" in agent.ask("/metrics")[1]


def may_use_default(namespace: str) -> list[dict[str, Any]]:
    """Give what lets the agent create actions of plug-ins, which act as the account `default`."""
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["default"], "verbs": ["impersonate"]}
    return [
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": "use"}, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "use"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "use"},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
        },
    ]


@pytest.mark.parametrize("kind", [ACTION, NODE])
def test_r38_what_an_executor_says_of_its_run_is_kept_and_reported(
    kubectl: Kubectl, agents: PortAgents, port: PortServer, tmp_path: Path, kind: str
) -> None:
    create(kubectl, may_use_default(str(kubectl.namespace)))
    agents.start()
    run = port.add("r_story", "ocean_story", {"until": str(tmp_path / "go")}, kind=kind)
    warned = "half done" if kind == ACTION else "WARN half done"
    until(lambda: run.over or (warned in run.logs and run.label == "Building"), "line and label meanwhile")
    assert not run.over, run.summary
    (tmp_path / "go").touch()
    until(lambda: run.over, "the end of the run")
    (item,) = get_all(kubectl).values()
    progress = item["status"]["progress"]
    assert [(line["level"], line["message"]) for line in progress["log"]] == [
        ("WARN", "half done"),
        ("INFO", "nearly done"),
    ]
    assert (progress["label"], run.label) == ("Shipped", "Shipped")
    assert sum("nearly done" in line for line in run.logs) == 1
    output = {"jobId": 7} if kind == ACTION else {"workflowRunUrl": "https://t/7", "jobId": 7, "agentId": "a-1"}
    assert item["status"]["output"] == output
    assert run.output == (None if kind == ACTION else output)
