"""Pods that kwok plays: scheduled and completed, so that whatever waits for them goes on."""

from cluster.kubectl import Kubectl


def test_a_jobs_pods_complete(simulated_kubectl: Kubectl) -> None:
    simulated_kubectl("create", "job", "work", "--image=any")
    simulated_kubectl("wait", "job/work", "--for=condition=Complete", "--timeout=30s")


def test_a_pod_completes_unless_it_is_restarted_for_ever(simulated_kubectl: Kubectl) -> None:
    simulated_kubectl("run", "once", "--image=any", "--restart=Never")
    simulated_kubectl("run", "server", "--image=any")
    simulated_kubectl("wait", "pod/once", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    simulated_kubectl("wait", "pod/server", "--for=condition=Ready", "--timeout=30s")
    assert simulated_kubectl("get", "pod", "server", "-o", "jsonpath={.status.phase}") == "Running"
    simulated_kubectl("delete", "pod", "server", "--timeout=30s")
