"""What a node makes of pods and Jobs without any operator: what the executors of workloads stand on."""

import json
import subprocess
import sys
from typing import Any

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.nodes import has_node
from support.api import get_object

IMAGE = "busybox:1.36"
AWAIT_KUBECTL = "while ! [ -e /tmp/kubectl ]; do sleep 0.1; done; /tmp/kubectl get pod asks -o name"
TAKE_KUBECTL = "cat > /tmp/part && chmod +x /tmp/part && mv /tmp/part /tmp/kubectl"
MEMORY = {"limits": {"memory": "16Mi"}}


def pod(name: str, script: str, **more: Any) -> dict[str, Any]:
    """Give a pod that runs a shell script once; `more` goes to its container."""
    container = {"name": "main", "image": IMAGE, "command": ["sh", "-c", script], **more}
    spec = {"restartPolicy": "Never", "containers": [container], "terminationGracePeriodSeconds": 20}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def create(kubectl: Kubectl, manifest: dict[str, Any]) -> None:
    kubectl("create", "--filename=-", stdin=json.dumps(manifest))


def wait(kubectl: Kubectl, what: str, condition: str) -> None:
    kubectl("wait", what, f"--for={condition}", "--timeout=60s", timeout=70)


def end_of(kubectl: Kubectl, name: str) -> dict[str, Any]:
    """Give how a pod's container has ended."""
    wait(kubectl, f"pod/{name}", "jsonpath={.status.containerStatuses[0].state.terminated}")
    found = get_object(kubectl, "pod", name)
    return dict(found["status"]["containerStatuses"][0]["state"]["terminated"])


def test_its_node_is_ready(node_cluster: Cluster) -> None:
    assert has_node(node_cluster.kubectl)


@pytest.mark.parametrize(
    ("script", "container", "exit_code", "reason", "log"),
    [
        ("echo hello", {}, 0, "Completed", "hello\n"),
        ("echo no >&2; exit 3", {}, 3, "Error", "no\n"),
        ("tail /dev/zero", {"resources": MEMORY}, 137, "OOMKilled", ""),
    ],
    ids=["success", "failure", "out of memory"],
)
def test_a_pod_runs_to_its_end(
    node_kubectl: Kubectl, script: str, container: dict[str, Any], exit_code: int, reason: str, log: str
) -> None:
    create(node_kubectl, pod("one", script, **container))
    ended = end_of(node_kubectl, "one")
    assert (ended["exitCode"], ended["reason"]) == (exit_code, reason)
    assert node_kubectl("logs", "one") == log


def test_a_deleted_pod_is_told_and_gets_its_time(node_kubectl: Kubectl) -> None:
    create(node_kubectl, pod("patient", "trap 'echo told; exit 0' TERM; echo up; while :; do sleep 1; done"))
    wait(node_kubectl, "pod/patient", "condition=Ready")
    follow = node_kubectl.command("logs", "--follow", "patient")
    with subprocess.Popen(follow, env=node_kubectl.environment(), stdout=subprocess.PIPE, text=True) as log:
        node_kubectl("delete", "pod", "patient")
        assert log.communicate(timeout=30)[0] == "up\ntold\n"


def test_a_job_completes(node_kubectl: Kubectl) -> None:
    node_kubectl("create", "job", "work", f"--image={IMAGE}", "--", "sh", "-c", "echo done")
    wait(node_kubectl, "job/work", "condition=Complete")
    assert node_kubectl("logs", "job/work") == "done\n"


@pytest.mark.skipif(sys.platform != "linux", reason="gives the pod this machine's kubectl, so that must be Linux's")
def test_a_pod_reaches_the_api_server_with_its_own_account(node_kubectl: Kubectl) -> None:
    account = f"--serviceaccount={node_kubectl.namespace}:default"
    node_kubectl("create", "role", "reader", "--verb=get", "--resource=pods")
    node_kubectl("create", "rolebinding", "reader", "--role=reader", account)
    create(node_kubectl, pod("asks", AWAIT_KUBECTL))
    wait(node_kubectl, "pod/asks", "condition=Ready")
    give = node_kubectl.command("exec", "--stdin", "asks", "--", "sh", "-c", TAKE_KUBECTL)
    with node_kubectl.program.open("rb") as program:
        subprocess.run(give, env=node_kubectl.environment(), stdin=program, check=True, timeout=60)
    assert end_of(node_kubectl, "asks")["exitCode"] == 0, node_kubectl("logs", "asks")
    assert node_kubectl("logs", "asks") == "pod/asks\n"


def test_a_container_may_be_confined(node_kubectl: Kubectl) -> None:
    confined = {
        "runAsNonRoot": True,
        "runAsUser": 65534,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    create(node_kubectl, pod("confined", "exec 2>&1; id -u; touch /file", securityContext=confined))
    assert end_of(node_kubectl, "confined")["exitCode"] != 0
    assert node_kubectl("logs", "confined") == "65534\ntouch: /file: Read-only file system\n"
