"""R16, R18 and R20: ends of pods that no test can bring about on a node; the kubelet's part is played by hand."""

from collections.abc import Iterator

import pytest

from cluster.kubectl import Kubectl
from support.actions import action, condition, create, phase, reason, wait_for, wait_for_phase
from support.hand_kubelet import HandKubelet, ended
from support.people import wait_for_default_account

pytestmark = pytest.mark.usefixtures("operator")
BUSYBOX = {"image": "busybox", "command": ["true"]}
KINDS = ["pod", "job"]


@pytest.fixture
def kubelet(kubectl: Kubectl) -> Iterator[HandKubelet]:
    """The kubelet of the test's namespace, whose default account may run workloads."""
    kubectl("create", "role", "workloads", "--verb=create,get,list,delete", "--resource=pods,jobs.batch")
    account = f"--serviceaccount={kubectl.namespace}:default"
    kubectl("create", "rolebinding", "workloads", "--role=workloads", account)
    wait_for_default_account(kubectl, "", "pods")
    yield HandKubelet(kubectl)
    kubectl("delete", "pods", "--all", "--force", "--grace-period=0")


@pytest.mark.parametrize("kind", KINDS)
def test_r16_a_lost_node_is_not_the_program_s_failure(kubectl: Kubectl, kubelet: HandKubelet, kind: str) -> None:
    create(kubectl, [action("it", kind, BUSYBOX)])
    message = "The container could not be located when the pod was terminated"
    kubelet.fail("it", 137, reason="ContainerStatusUnknown", message=message)
    found = wait_for_phase(kubectl, "it", "Failed")
    assert (reason(found), found["status"]["error"]["kind"]) == ("ContainerStatusUnknown", "System")
    assert message in found["status"]["error"]["message"]


@pytest.mark.parametrize("kind", KINDS)
def test_r20_memory_is_named_although_the_program_exits_with_0(
    kubectl: Kubectl, kubelet: HandKubelet, kind: str
) -> None:
    create(kubectl, [action("it", kind, BUSYBOX)])
    kubelet.fail("it", 0, reason="OOMKilled")
    found = wait_for_phase(kubectl, "it", "Failed")
    assert reason(found) == "OOMKilled"
    assert "raise resources.limits.memory" in found["status"]["error"]["message"]


def test_r18_a_webhook_that_is_down_is_named(kubectl: Kubectl, kubelet: HandKubelet) -> None:
    name = str(kubectl.namespace)
    webhook = {
        "name": "down.example.com",
        "clientConfig": {"url": "https://127.0.0.1:9/"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    registration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }
    create(kubectl, [registration])
    try:
        create(kubectl, [action("it", "job", BUSYBOX)])
        found = wait_for(
            kubectl, "it", lambda item: "down.example.com" in condition(item, "Progressing").get("message", "")
        )
        assert phase(found) == "Initializing"
    finally:
        kubectl("delete", "validatingwebhookconfiguration", name)
    kubectl("delete", "ta", "it", "--timeout=30s")


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_phase_is_shown_and_ends_nothing(kubectl: Kubectl, kubelet: HandKubelet, kind: str) -> None:
    create(kubectl, [action("it", kind, BUSYBOX)])
    kubelet.report(kubelet.wait_for_pod("it"), "Unknown")
    wait_for(kubectl, "it", lambda item: "unknown phase 'Unknown'" in condition(item, "Progressing").get("message", ""))
    pod = kubelet.pods("it")[0]
    kubelet.report(pod, "Succeeded", container=ended(0, message="7"))
    assert wait_for_phase(kubectl, "it", "Succeeded")["status"]["output"] == 7
