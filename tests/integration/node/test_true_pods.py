"""Jobs and pods by their actions where they truly run: what kubelet, scheduler and controllers make of them."""

import json

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import Body, action, condition, create, get, patch, phase, reason, wait_for, wait_for_phase
from support.api import list_objects
from support.operators import QUICK_LEASES, Operators

pytestmark = pytest.mark.usefixtures("node_operator")
KINDS = ["pod", "job"]
IMAGE = "busybox:1.36"


@pytest.fixture
def kubectl(node_kubectl: Kubectl) -> Kubectl:
    """A namespace on the cluster with the node, whose default account may run workloads."""
    node_kubectl(
        "create", "role", "workloads", "--verb=create,get,list,delete", "--resource=pods,jobs.batch,deployments.apps"
    )
    account = f"--serviceaccount={node_kubectl.namespace}:default"
    node_kubectl("create", "rolebinding", "workloads", "--role=workloads", account)
    return node_kubectl


def shell(name: str, kind: str, script: str, *, more: Body | None = None, **spec: object) -> Body:
    """Give an action that runs a shell script."""
    parameters = {"image": IMAGE, "command": ["sh", "-c", script]}
    return action(name, kind, parameters | (more or {}), **spec)


def pods(kubectl: Kubectl, name: str) -> list[Body]:
    """Give the pods of an action."""
    return list_objects(kubectl, "pods", f"taskaction.dev/action={name}")


def wait_until_it_runs(kubectl: Kubectl, name: str) -> str:
    """Give the name of an action's pod, once its container runs."""
    found: list[str] = []

    def runs() -> bool:
        found[:] = [pod["metadata"]["name"] for pod in pods(kubectl, name) if pod["status"]["phase"] == "Running"]
        return bool(found)

    wait_until(runs, timeout=60, what=f"the pod of {name} to run")
    return found[0]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_program_leaves_behind_is_the_output(kubectl: Kubectl, kind: str) -> None:
    create(kubectl, [shell("sum", kind, """echo '{"sum": 42}' > /dev/termination-log""")])
    assert wait_for_phase(kubectl, "sum", "Succeeded", 60)["status"]["output"] == {"sum": 42}


@pytest.mark.parametrize("kind", KINDS)
def test_an_exit_code_comes_with_the_last_lines_of_the_log(kubectl: Kubectl, kind: str) -> None:
    create(kubectl, [shell("broken", kind, "echo reading; echo no such table: sales; exit 3")])
    found = wait_for_phase(kubectl, "broken", "Failed", 60)
    assert reason(found) == "ContainerFailed"
    message = found["status"]["error"]["message"]
    assert "exited with code 3" in message
    assert message.endswith("no such table: sales")


@pytest.mark.parametrize("kind", KINDS)
def test_too_much_memory_is_called_so(kubectl: Kubectl, kind: str) -> None:
    more = {"resources": {"limits": {"memory": "20Mi"}}}
    create(kubectl, [shell("greedy", kind, "exec dd if=/dev/zero of=/dev/null bs=200M count=1", more=more)])
    assert reason(wait_for_phase(kubectl, "greedy", "Failed", 60)) == "OOMKilled"


@pytest.mark.parametrize("kind", KINDS)
def test_the_attempts_timeout_ends_the_pod(kubectl: Kubectl, kind: str) -> None:
    create(kubectl, [shell("slow", kind, "trap 'exit 0' TERM; sleep 600 & wait", timeouts={"attempt": "3s"})])
    assert reason(wait_for_phase(kubectl, "slow", "TimedOut", 60)) == "AttemptTimeout"
    assert pods(kubectl, "slow") == []


def test_a_deadline_of_the_pods_own_is_a_timeout(kubectl: Kubectl) -> None:
    container = {"name": "main", "image": IMAGE, "command": ["sleep", "600"]}
    spec = {"activeDeadlineSeconds": 1, "terminationGracePeriodSeconds": 1, "containers": [container]}
    create(kubectl, [action("late", "pod", {"template": {"spec": spec}})])
    assert reason(wait_for_phase(kubectl, "late", "TimedOut", 60)) == "DeadlineExceeded"


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_that_is_not_there_is_named(kubectl: Kubectl, kind: str) -> None:
    create(kubectl, [action("missing", kind, {"image": "none.example/missing:1", "imagePullPolicy": "Never"})])
    found = wait_for_phase(kubectl, "missing", "Failed", 60)
    assert reason(found) == "CannotStart"
    assert "ErrImageNeverPull" in found["status"]["error"]["message"]
    wait_until(lambda: not pods(kubectl, "missing"), timeout=60, what="its pod to go")


def test_a_pod_for_which_there_is_no_node_says_so_and_is_given_up(kubectl: Kubectl) -> None:
    more = {"resources": {"requests": {"cpu": "900"}}, "startTimeout": "5s"}
    create(kubectl, [shell("huge", "pod", "true", more=more)])
    shown = wait_for_phase(kubectl, "huge", "Initializing", 60)
    assert "Insufficient cpu" in condition(shown, "Progressing")["message"]
    assert reason(wait_for_phase(kubectl, "huge", "Failed", 60)) == "StartTimeout"


@pytest.mark.parametrize("kind", KINDS)
def test_an_abort_is_over_when_the_program_has_said_goodbye(kubectl: Kubectl, kind: str) -> None:
    script = "trap 'sleep 2; exit 0' TERM; sleep 600 & wait"
    create(kubectl, [shell("stopped", kind, script)])
    wait_until_it_runs(kubectl, "stopped")
    patch(kubectl, "stopped", {"abort": {"reason": "enough"}})
    wait_for(kubectl, "stopped", lambda item: reason(item) == "Aborting")
    assert phase(get(kubectl, "stopped")) != "Aborted"
    wait_for_phase(kubectl, "stopped", "Aborted", 60)
    assert pods(kubectl, "stopped") == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("script", ["exit 1", "sleep 2; exit 0"])
def test_a_pod_that_is_deleted_by_hand_fails_the_attempt_as_the_clusters_doing(
    kubectl: Kubectl, kind: str, script: str
) -> None:
    create(kubectl, [shell("lost", kind, f"trap '{script}' TERM; sleep 600 & wait")])
    pod = wait_until_it_runs(kubectl, "lost")
    kubectl("delete", "pod", pod, "--wait=false")
    found = wait_for_phase(kubectl, "lost", "Failed", 60)
    assert (reason(found), found["status"]["error"]["kind"]) == ("PodDeleted", "System")


def test_an_eviction_is_retried_where_the_policy_names_the_platforms_failures(kubectl: Kubectl) -> None:
    policy = {"limit": 1, "retryOn": ["System"], "backoff": {"initial": "100ms"}}
    script = "case $HOSTNAME in *-1) trap 'exit 1' TERM; sleep 600 & wait;; esac"
    create(kubectl, [shell("moved", "pod", script, retryPolicy=policy)])
    pod = wait_until_it_runs(kubectl, "moved")
    namespace = kubectl.namespace
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    found = wait_for_phase(kubectl, "moved", "Succeeded", 60)
    assert found["status"]["attempt"] == 2
    assert found["status"]["attempts"][0]["error"]["code"] in {"EvictionByEvictionAPI", "PodDeleted"}


def test_a_namespace_goes_with_its_running_actions(node_cluster: Cluster, kubectl: Kubectl) -> None:
    script = "trap 'exit 0' TERM; sleep 600 & wait"
    create(kubectl, [shell("one", "pod", script), shell("two", "job", script)])
    for name in ("one", "two"):
        wait_until_it_runs(kubectl, name)
    node_cluster.kubectl("delete", "namespace", str(kubectl.namespace), "--timeout=90s", timeout=100)


@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_of_the_operator_starts_nothing_twice(node_operators: Operators, kubectl: Kubectl, kind: str) -> None:
    create(kubectl, [shell("kept", kind, "sleep 3; echo done > /dev/termination-log")])
    wait_until_it_runs(kubectl, "kept")
    node_operators.kill()
    node_operators.start(QUICK_LEASES)
    found = wait_for_phase(kubectl, "kept", "Succeeded", 60)
    assert (found["status"]["output"], found["status"]["attempt"]) == ("done", 1)
    assert len(pods(kubectl, "kept")) == 1


def test_a_job_of_the_users_own_is_followed_to_its_end(kubectl: Kubectl) -> None:
    container = {"name": "main", "image": IMAGE, "command": ["true"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": template, "completions": 2}}
    create(kubectl, [action("own", "resource", {"manifest": manifest, "output": "status.succeeded"})])
    assert wait_for_phase(kubectl, "own", "Succeeded", 60)["status"]["output"] == 2


def test_a_deployment_is_available_when_its_pod_runs(kubectl: Kubectl) -> None:
    labels = {"app": "web"}
    container = {"name": "main", "image": IMAGE, "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    create(kubectl, [action("web", "resource", {"manifest": manifest, "output": "status.availableReplicas"})])
    assert wait_for_phase(kubectl, "web", "Succeeded", 60)["status"]["output"] == 1
    kubectl("delete", "ta", "web")
    kubectl("wait", "--for=delete", "deployment/web", "--timeout=60s")
