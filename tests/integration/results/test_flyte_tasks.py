"""F2, F4 to F6, F8: what the pod of a Flyte task is, and what is recorded of it; the test plays the kubelet."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flyteidl2.core.tasks_pb2 import TaskTemplate

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import Body, action, create, get, patch, phase, reason, wait_for, wait_for_phase
from support.flyte_tasks import amount, container_task, parameters
from support.hand_kubelet import HandKubelet, ended
from support.people import wait_for_default_account

pytestmark = [pytest.mark.usefixtures("operator", "rights"), pytest.mark.timeout(120)]
FOLDER = "file:///nowhere/flyte"
SETTINGS = {"TASKACTION_FLYTE_STORAGE": f"*={FOLDER}", "TASKACTION_STATUS_DELAY": "100ms"}
SCHEDULED = {"conditions": [{"type": "PodScheduled", "status": "True"}]}
RUNNING = {"running": {"startedAt": "2026-01-01T12:00:00Z"}}


@pytest.fixture
def rights(kubectl: Kubectl) -> None:
    """What the namespace's default account may do."""
    kubectl("create", "role", "pods", "--verb=create,get,list,delete", "--resource=pods")
    kubectl("create", "rolebinding", "pods", "--role=pods", f"--serviceaccount={kubectl.namespace}:default")
    wait_for_default_account(kubectl, "", "pods")


@pytest.fixture
def kubelet(kubectl: Kubectl) -> HandKubelet:
    return HandKubelet(kubectl)


def flyte(name: str, task: TaskTemplate | None = None, base: str = FOLDER, **spec: Any) -> Body:
    """Give the action of a task; ``inputUri`` is the folder."""
    given = parameters(task, runOutputBase=f"{base}/r1", inputUri=f"{base}/r1/a1")
    return action(name, "flyte", given, **spec)


def test_f02_a_task_whose_result_the_operator_could_not_read_is_refused(kubectl: Kubectl, kubelet: HandKubelet) -> None:
    create(kubectl, [flyte("unread", base="s3://elsewhere")])

    status = wait_for_phase(kubectl, "unread", "Failed")["status"]

    assert "TASKACTION_FLYTE_STORAGE" in status["error"]["message"]
    assert kubelet.pods("unread") == []


def test_f04_a_task_that_no_node_takes_runs_out_of_its_time_in_the_queue_alone(
    kubectl: Kubectl, kubelet: HandKubelet
) -> None:
    retry = {"limit": 1, "backoff": {"initial": "10ms", "jitter": 0}}
    create(kubectl, [flyte("late", timeouts={"running": "500ms", "waiting": "2s"}, retryPolicy=retry)])

    status = wait_for_phase(kubectl, "late", "TimedOut")["status"]

    assert [one["error"]["code"] for one in status["attempts"]] == ["QueuedTimeout"] * 2
    assert "timeouts.waiting (2s)" in status["message"]
    assert kubelet.pods("late") == []


def test_f04_a_task_that_a_node_has_taken_is_bounded_from_the_start_of_its_container(
    kubectl: Kubectl, kubelet: HandKubelet
) -> None:
    create(kubectl, [flyte("slow", timeouts={"running": "1s", "waiting": "30s"})])
    pod = kubelet.wait_for_pod("slow")
    kubelet.report(pod, "Pending", **SCHEDULED)
    placed = wait_for(kubectl, "slow", lambda one: "initializingAt" in one["status"].get("attempts", [{}])[-1])
    assert phase(placed) == "Initializing"
    over = datetime.fromisoformat(placed["status"]["attempts"][-1]["startedAt"]) + timedelta(seconds=1.2)
    wait_until(lambda: datetime.now(UTC) > over, timeout=10, what="the bound to pass without a start")
    assert phase(get(kubectl, "slow")) == "Initializing"

    kubelet.report(pod, "Running", container=RUNNING, **SCHEDULED)

    status = wait_for_phase(kubectl, "slow", "TimedOut")["status"]
    (attempt,) = status["attempts"]
    ran = datetime.fromisoformat(attempt["endedAt"]) - datetime.fromisoformat(attempt["runningAt"])
    assert attempt["error"]["code"] == "AttemptTimeout"
    assert ran >= timedelta(seconds=1)


@pytest.mark.parametrize("stop", ["abort", "timeout"])
def test_f05_a_request_to_stop_is_shown_while_the_pod_still_ends(
    kubectl: Kubectl, kubelet: HandKubelet, stop: str
) -> None:
    create(kubectl, [flyte(stop, timeouts={"running": "2s"} if stop == "timeout" else {})])
    pod = kubelet.wait_for_pod(stop)
    kubectl("patch", "pod", pod["metadata"]["name"], "--type=merge", '-p={"metadata":{"finalizers":["test.dev/x"]}}')
    kubelet.report(pod, "Running", container=RUNNING, **SCHEDULED)
    wait_for_phase(kubectl, stop, "Running")
    if stop == "abort":
        patch(kubectl, stop, {"abort": {"reason": "enough"}})

    stopping = wait_for(kubectl, stop, lambda one: reason(one) == "Aborting")

    assert phase(stopping) == "Running"
    assert ("enough" if stop == "abort" else "timeouts.running (2s)") in stopping["status"]["message"]
    kubectl("patch", "pod", pod["metadata"]["name"], "--type=merge", '-p={"metadata":{"finalizers":null}}')
    wait_for_phase(kubectl, stop, "Aborted" if stop == "abort" else "TimedOut", 5)


def test_f06_f08_a_pod_is_limited_to_its_requests_and_told_the_file_of_its_inputs(
    kubectl: Kubectl, kubelet: HandKubelet
) -> None:
    task = container_task(
        args=["{{.input}}", "{{.rawOutputDataPrefix}}"], resources={"requests": [amount("MEMORY", "250Mi")]}
    )
    create(kubectl, [flyte("shaped", task)])

    spec = kubelet.wait_for_pod("shaped")["spec"]

    (container,) = spec["containers"]
    assert container["resources"] == {"requests": {"memory": "250Mi"}, "limits": {"memory": "250Mi"}}
    assert container["args"] == [f"{FOLDER}/r1/a1/inputs.pb", "/nowhere/flyte/r1/a1/1/raw"]
    assert spec["shareProcessNamespace"] is True
    kubelet.fail("shaped", 137, reason="OOMKilled")
    assert wait_for(kubectl, "shaped")["status"]["error"]["code"] == "OOMKilled"


def test_f02_a_task_whose_result_is_read_succeeds(kubectl: Kubectl, kubelet: HandKubelet) -> None:
    create(kubectl, [flyte("read")])
    kubelet.report(kubelet.wait_for_pod("read"), "Succeeded", container=ended(0))

    assert wait_for_phase(kubectl, "read", "Succeeded")["status"]["outputUri"] == f"{FOLDER}/r1/a1/1"
