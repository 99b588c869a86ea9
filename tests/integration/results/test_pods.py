"""R10 to R21 and F13: what is recorded of pods and Jobs is what the real kubelet and its controllers say."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import Body, action, condition, create, get, phase, reason, wait_for, wait_for_phase
from support.api import list_objects, patch_object
from taskaction.core.json_values import is_same

pytestmark = pytest.mark.usefixtures("node_operator")
KINDS = ["pod", "job"]
IMAGE = "busybox:1.36"
PATIENT = "trap 'exit 0' TERM; sleep 600 & wait"
"""A program that ends well when it is told to stop."""


@pytest.fixture
def kubectl(node_kubectl: Kubectl) -> Kubectl:
    """A namespace on the cluster with the node, whose default account may run workloads."""
    node_kubectl("create", "role", "workloads", "--verb=create,get,list,delete", "--resource=pods,jobs.batch")
    account = f"--serviceaccount={node_kubectl.namespace}:default"
    node_kubectl("create", "rolebinding", "workloads", "--role=workloads", account)
    return node_kubectl


def shell(script: str, **more: Any) -> Body:
    return {"name": "main", "image": IMAGE, "command": ["sh", "-c", script]} | more


def template(*containers: Body, **spec: Any) -> Body:
    return {"template": {"spec": {"containers": list(containers), "terminationGracePeriodSeconds": 1} | spec}}


def pods(kubectl: Kubectl, name: str = "it") -> list[Body]:
    return list_objects(kubectl, "pods", f"taskaction.dev/action={name}")


def wait_for_container(kubectl: Kubectl, name: str = "it", field: str = "containerStatuses") -> str:
    """Return the name of the pod of an action, once a container of it runs."""
    found: list[str] = []

    def runs() -> bool:
        found[:] = [
            pod["metadata"]["name"]
            for pod in pods(kubectl, name)
            if "deletionTimestamp" not in pod["metadata"]
            and any("running" in one["state"] for one in pod["status"].get(field, ()))
        ]
        return bool(found)

    wait_until(runs, timeout=60, what=f"a container of {name}")
    return found[0]


def outcomes(kubectl: Kubectl, parameters: Body) -> list[Body]:
    """Have a pod and a Job run at the same time, and return their actions at the end."""
    create(kubectl, [action(kind, kind, parameters) for kind in KINDS])
    return [wait_for(kubectl, kind, seconds=60) for kind in KINDS]


def time_of(item: Body) -> datetime:
    return datetime.fromisoformat(item["metadata"]["creationTimestamp"])


def message(item: Body) -> str:
    return str(condition(item, "Progressing").get("message", ""))


def wait_for_message(kubectl: Kubectl, words: str, name: str = "it") -> Body:
    return wait_for(kubectl, name, lambda item: words in message(item), seconds=60)


def evict(kubectl: Kubectl, pod: str) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": kubectl.namespace}}
    path = f"/api/v1/namespaces/{kubectl.namespace}/pods/{pod}/eviction"
    kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body))


# -- R10: outputs ------------------------------------------------------------------------------------------------------

LEFT = {
    "4612e87": "4612e87",
    "20261130123456789012": "20261130123456789012",
    "9223372036854775807": 2**63 - 1,
    '{"ids": [9223372036854775807, -9223372036854775808], "rate": 1e300}': {
        "ids": [2**63 - 1, -(2**63)],
        "rate": 1e300,
    },
}
TOO_LARGE = '{"id": 20261130123456789012}'


def test_r10_numbers_pass_the_kubelet_exactly_or_are_refused(kubectl: Kubectl) -> None:
    write = 'shift ${JOB_COMPLETION_INDEX:-0}; printf %s "$1" > /dev/termination-log'
    several = {"completionMode": "Indexed", "completions": len(LEFT), "parallelism": len(LEFT)}
    created = {
        "job": ("job", template(shell(write, args=["sh", *LEFT])) | {"spec": several}),
        "pod": ("pod", template(shell(write, args=["sh", "9007199254740993"]))),
        "refused": ("pod", template(shell(write, args=["sh", TOO_LARGE]))),
    }
    create(kubectl, [action(name, kind, parameters) for name, (kind, parameters) in created.items()])
    found = {name: wait_for(kubectl, name, seconds=90)["status"] for name in created}
    assert is_same(found["job"].get("output"), list(LEFT.values())), found["job"]
    assert is_same(found["pod"].get("output"), 2**53 + 1), found["pod"]
    assert (found["refused"]["phase"], found["refused"]["error"]["code"]) == ("Failed", "InvalidOutput")
    assert "output.id: is an integer beyond 64 bits" in found["refused"]["message"]


# -- R11 to R13, R21: the start ----------------------------------------------------------------------------------------


def test_r11_what_runs_has_started_although_it_is_not_ready(kubectl: Kubectl) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    container = shell("sleep 7; echo 7 > /dev/termination-log", readinessProbe=probe)
    for found in outcomes(kubectl, template(container) | {"startTimeout": "4s"}):
        assert (phase(found), found["status"].get("output")) == ("Succeeded", 7)


def test_r12_an_init_container_that_works_is_a_start(kubectl: Kubectl) -> None:
    init = shell("sleep 7", name="fetch")
    for found in outcomes(kubectl, template(shell("true"), initContainers=[init]) | {"startTimeout": "4s"}):
        assert phase(found) == "Succeeded"


def test_r13_a_suspended_job_waits_and_is_counted_again(kubectl: Kubectl) -> None:
    create(kubectl, [action("it", "job", template(shell("sleep 8")) | {"startTimeout": "5s"})])
    wait_for_container(kubectl)
    job = list_objects(kubectl, "jobs")[0]["metadata"]["name"]
    patch_object(kubectl, "job", job, {"spec": {"suspend": True}})
    found = wait_for_message(kubectl, f"Job {job!r} is suspended")
    assert phase(found) == "Initializing"
    wait_until(lambda: not pods(kubectl), timeout=60, what="the pod of the suspended Job to go")
    patch_object(kubectl, "job", job, {"spec": {"suspend": False}})
    wait_for_phase(kubectl, "it", "Succeeded", 60)


def test_r13_a_job_that_loses_its_pod_goes_on_with_another(kubectl: Kubectl) -> None:
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    spec = {"podFailurePolicy": {"rules": [rule]}}
    script = "test -e /state/done && exit 0; touch /state/done; trap 'exit 1' TERM; sleep 600 & wait"
    container = shell(script, volumeMounts=[{"name": "state", "mountPath": "/state"}])
    folder = f"/tmp/{kubectl.namespace}"
    volumes = [{"name": "state", "hostPath": {"path": folder, "type": "DirectoryOrCreate"}}]
    create(kubectl, [action("it", "job", template(container, volumes=volumes) | {"spec": spec, "startTimeout": "5s"})])
    evict(kubectl, wait_for_container(kubectl))
    wait_for_phase(kubectl, "it", "Succeeded", 60)


def test_r21_gates_are_waited_for(kubectl: Kubectl) -> None:
    gated = template(shell("true"), schedulingGates=[{"name": "example.com/queue"}]) | {"startTimeout": "8s"}
    create(kubectl, [action(kind, kind, gated) for kind in KINDS])
    for kind in KINDS:
        assert phase(wait_for_message(kubectl, "waits until its scheduling gates are removed", kind)) == "Initializing"
    created, clock = time_of(get(kubectl, "job")), datetime.now
    wait_until(lambda: clock(UTC) > created + timedelta(seconds=9), timeout=20, what="more than startTimeout to pass")
    for kind in KINDS:
        pod = pods(kubectl, kind)[0]["metadata"]["name"]
        patch_object(kubectl, "pod", pod, {"spec": {"schedulingGates": None}})
    for kind in KINDS:
        wait_for_phase(kubectl, kind, "Succeeded", 60)


# -- R14 to R16, R20: ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_r14_a_pod_that_was_deleted_while_it_ran_has_not_succeeded(kubectl: Kubectl, kind: str) -> None:
    create(kubectl, [action("it", kind, template(shell(PATIENT)))])
    kubectl("delete", "pod", wait_for_container(kubectl), "--wait=false")
    found = wait_for_phase(kubectl, "it", "Failed", 60)
    assert (reason(found), found["status"]["error"]["kind"]) == ("PodDeleted", "System")


@pytest.mark.parametrize("kind", KINDS)
def test_r14_an_eviction_is_no_success_either(kubectl: Kubectl, kind: str) -> None:
    create(kubectl, [action("it", kind, template(shell(PATIENT)))])
    evict(kubectl, wait_for_container(kubectl))
    found = wait_for_phase(kubectl, "it", "Failed", 60)
    assert (reason(found), found["status"]["error"]["kind"]) == ("EvictionByEvictionAPI", "System")


@pytest.mark.parametrize("how", ["deleted", "evicted"])
def test_r14_the_same_holds_for_a_job_of_the_users_own(kubectl: Kubectl, how: str) -> None:
    spec = {"backoffLimit": 0} | template(shell(PATIENT), restartPolicy="Never")
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "spec": spec}
    create(kubectl, [action("it", "resource", {"manifest": manifest})])
    pod = wait_for_container(kubectl)
    if how == "evicted":
        evict(kubectl, pod)
    else:
        kubectl("delete", "pod", pod, "--wait=false")
    found = wait_for_phase(kubectl, "it", "Failed", 60)
    code = {"deleted": "PodDeleted", "evicted": "EvictionByEvictionAPI"}[how]
    assert (reason(found), found["status"]["error"]["kind"]) == (code, "System")


def test_r15_a_job_that_gives_up_restarts_names_the_exit_code(kubectl: Kubectl) -> None:
    failing = template(shell("echo no such table; exit 3"), restartPolicy="OnFailure") | {"spec": {"backoffLimit": 1}}
    create(kubectl, [action("it", "job", failing)])
    found = wait_for_phase(kubectl, "it", "Failed", 90)
    assert reason(found) == "ContainerFailed"
    assert "exited with code 3: no such table" in found["status"]["error"]["message"]


def test_r20_a_proxy_that_never_ends_is_named(kubectl: Kubectl) -> None:
    create(kubectl, [action("it", "pod", template(shell("true"), shell(PATIENT, name="proxy")))])
    found = wait_for_message(kubectl, "continues until these end: proxy; make them initContainers")
    assert phase(found) == "Running"


def test_r20_a_sidecar_ends_with_its_pod(kubectl: Kubectl) -> None:
    sidecar = shell(PATIENT, name="proxy", restartPolicy="Always")
    create(kubectl, [action("it", "job", template(shell("true"), initContainers=[sidecar]))])
    wait_for_phase(kubectl, "it", "Succeeded", 60)


# -- R18, F13: causes --------------------------------------------------------------------------------------------------


def test_r18_a_job_whose_pods_exceed_a_quota_says_so(kubectl: Kubectl) -> None:
    kubectl("create", "quota", "none", "--hard=pods=0")
    kubectl("wait", "--for=jsonpath={.status.hard.pods}=0", "quota/none", "--timeout=30s")
    create(kubectl, [action("it", "job", template(shell("true")) | {"startTimeout": "3s"})])
    found = wait_for_message(kubectl, "exceeded quota: none")
    assert phase(found) == "Initializing"
    assert reason(wait_for_phase(kubectl, "it", "Failed", 60)) == "QuotaExceeded"


def test_r18_a_job_whose_pods_break_a_limit_range_says_so(kubectl: Kubectl) -> None:
    limits = {"limits": [{"type": "Container", "max": {"memory": "1Mi"}}]}
    create(kubectl, [{"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": limits}])
    container = shell("true", resources={"limits": {"memory": "64Mi"}})
    create(kubectl, [action("it", "job", template(container) | {"startTimeout": "3s"})])
    wait_for_message(kubectl, "maximum memory usage per Container is 1Mi")
    kubectl("delete", "limitrange", "small")
    assert "maximum memory usage" in wait_for_phase(kubectl, "it", "Failed", 60)["status"]["error"]["message"]


def test_r18_a_missing_volume_is_named(kubectl: Kubectl) -> None:
    volumes = [{"name": "data", "configMap": {"name": "missing"}}]
    container = shell("true", volumeMounts=[{"name": "data", "mountPath": "/data"}])
    create(kubectl, [action(kind, kind, template(container, volumes=volumes)) for kind in KINDS])
    for kind in KINDS:
        wait_for_message(kubectl, 'configmap "missing" not found', kind)


def test_f13_a_missing_secret_is_shown_and_waited_for_shortly(kubectl: Kubectl) -> None:
    source = {"secretKeyRef": {"name": "missing", "key": "token"}}
    container = shell("true", env=[{"name": "TOKEN", "valueFrom": source}])
    create(kubectl, [action(kind, kind, template(container) | {"startTimeout": "8s"}) for kind in KINDS])
    for kind in KINDS:
        wait_for_message(kubectl, 'CreateContainerConfigError: secret "missing" not found', kind)
    for kind in KINDS:
        found = wait_for_phase(kubectl, kind, "Failed", 60)
        assert reason(found) == "CannotStart"
        assert 'secret "missing" not found' in found["status"]["error"]["message"]


def test_f13_an_image_has_a_bound_of_its_own(kubectl: Kubectl) -> None:
    for found in outcomes(kubectl, {"image": "none.example/missing:1", "imageTimeout": "2s"}):
        assert (phase(found), reason(found)) == ("Failed", "ImageNotPulled")
        assert "none.example/missing:1" in found["status"]["error"]["message"]
