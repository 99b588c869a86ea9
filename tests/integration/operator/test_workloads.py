"""Jobs and pods by their actions, on a real API server and its Job controller; the kubelet's part is played by hand."""

from collections.abc import Iterator

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import action, condition, create, get, patch, reason, wait_for, wait_for_phase
from support.api import list_objects
from support.hand_kubelet import HandKubelet, ended, waiting
from support.operators import QUICK_LEASES, Operators
from support.people import wait_for_default_account

pytestmark = pytest.mark.usefixtures("operator")
SETTINGS = QUICK_LEASES
BUSYBOX = {"image": "busybox", "command": ["true"]}
KINDS = ["pod", "job"]


@pytest.fixture
def kubelet(kubectl: Kubectl) -> Iterator[HandKubelet]:
    """The kubelet of the test's namespace, whose default account may run workloads."""
    kubectl("create", "role", "workloads", "--verb=create,get,list,delete", "--resource=pods,jobs.batch,configmaps")
    account = f"--serviceaccount={kubectl.namespace}:default"
    kubectl("create", "rolebinding", "workloads", "--role=workloads", account)
    wait_for_default_account(kubectl, "", "pods")
    yield HandKubelet(kubectl)
    kubectl("delete", "pods", "--all", "--force", "--grace-period=0")


@pytest.mark.parametrize("kind", KINDS)
def test_it_succeeds_with_what_its_container_left_behind(kubectl: Kubectl, kubelet: HandKubelet, kind: str) -> None:
    create(kubectl, [action("report", kind, BUSYBOX)])
    kubelet.succeed("report", '{"rows": 3}')
    found = wait_for_phase(kubectl, "report", "Succeeded")
    assert found["status"]["output"] == {"rows": 3}
    assert "finalizers" not in found["metadata"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_belongs_to_its_action_and_goes_with_it(kubectl: Kubectl, kubelet: HandKubelet, kind: str) -> None:
    create(kubectl, [action("owned", kind, BUSYBOX)])
    kubelet.succeed("owned")
    wait_for_phase(kubectl, "owned", "Succeeded")
    metadata = list_objects(kubectl, kind)[0]["metadata"]
    owner = metadata["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("TaskAction", "owned", True)
    kubectl("delete", "ta", "owned")
    kubectl("wait", "--for=delete", f"{kind}/{metadata['name']}", "--timeout=60s")


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_says_the_exit_code_and_the_last_lines(kubectl: Kubectl, kubelet: HandKubelet, kind: str) -> None:
    create(kubectl, [action("broken", kind, BUSYBOX)])
    kubelet.fail("broken", 3, message="no such table: sales\n")
    found = wait_for_phase(kubectl, "broken", "Failed")
    assert reason(found) == "ContainerFailed"
    assert found["status"]["error"]["message"].endswith("exited with code 3: no such table: sales")


@pytest.mark.parametrize("kind", KINDS)
def test_another_attempt_is_another_object(kubectl: Kubectl, kubelet: HandKubelet, kind: str) -> None:
    policy = {"limit": 1, "backoff": {"initial": "100ms"}}
    create(kubectl, [action("twice", kind, BUSYBOX, retryPolicy=policy)])
    kubelet.fail("twice", 1)
    kubelet.succeed("twice", "done at last")
    found = wait_for_phase(kubectl, "twice", "Succeeded")
    assert (found["status"]["attempt"], found["status"]["output"]) == (2, "done at last")
    assert len(kubelet.pods("twice")) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_what_keeps_it_from_starting_is_shown(kubectl: Kubectl, kubelet: HandKubelet, kind: str) -> None:
    create(kubectl, [action("slow", kind, BUSYBOX)])
    state = waiting("ImagePullBackOff", "back-off pulling image busybox")
    kubelet.report(kubelet.wait_for_pod("slow"), "Pending", container=state)
    found = wait_for_phase(kubectl, "slow", "Initializing")
    assert "is waiting: ImagePullBackOff: back-off pulling" in condition(found, "Progressing")["message"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_fails_when_it_has_not_started_in_time_and_leaves_nothing_waiting(
    kubectl: Kubectl, kubelet: HandKubelet, kind: str
) -> None:
    create(kubectl, [action("late", kind, BUSYBOX | {"startTimeout": "1s"})])
    kubelet.wait_for_pod("late")
    found = wait_for_phase(kubectl, "late", "Failed")
    assert reason(found) == "StartTimeout"
    assert "startTimeout (1s)" in found["status"]["error"]["message"]
    wait_until(lambda: not kubelet.pods("late"), timeout=30, what="its pod to go")


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_is_deleted_by_hand_fails_as_such(kubectl: Kubectl, kubelet: HandKubelet, kind: str) -> None:
    create(kubectl, [action("lost", kind, BUSYBOX)])
    kubelet.wait_for_pod("lost")
    wait_for_phase(kubectl, "lost", "Running")
    kubectl("delete", kind, "--all", "--force", "--grace-period=0")
    found = wait_for_phase(kubectl, "lost", "Failed")
    assert reason(found) == {"pod": "PodDeleted", "job": "JobDeleted"}[kind]
    assert found["status"]["error"]["kind"] == "System"


@pytest.mark.parametrize("kind", KINDS)
def test_an_abort_deletes_it_and_is_over_when_it_is_gone(kubectl: Kubectl, kubelet: HandKubelet, kind: str) -> None:
    create(kubectl, [action("stopped", kind, BUSYBOX)])
    kubelet.wait_for_pod("stopped")
    wait_for_phase(kubectl, "stopped", "Running")
    patch(kubectl, "stopped", {"abort": {"reason": "enough"}})
    wait_for_phase(kubectl, "stopped", "Aborted")
    assert kubelet.pods("stopped") == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_account_without_the_right_is_told_the_mend(kubectl: Kubectl, kind: str) -> None:
    create(kubectl, [action("poor", kind, BUSYBOX)])
    found = wait_for_phase(kubectl, "poor", "Failed")
    assert reason(found) == "Forbidden"
    assert "ServiceAccount 'default' may not create" in found["status"]["error"]["message"]
    assert "kubectl create rolebinding" in found["status"]["error"]["message"]


def test_a_quota_is_waited_for(kubectl: Kubectl, kubelet: HandKubelet) -> None:
    kubectl("create", "quota", "none", "--hard=pods=0")
    wait_until_quota(kubectl)
    create(kubectl, [action("patient", "pod", BUSYBOX)])
    wait_for(kubectl, "patient", lambda item: "exceeded quota" in condition(item, "Progressing").get("message", ""))
    kubectl("delete", "quota", "none")
    kubelet.succeed("patient")
    assert wait_for_phase(kubectl, "patient", "Succeeded")["status"]["attempt"] == 1


def wait_until_quota(kubectl: Kubectl) -> None:
    kubectl("wait", "--for=jsonpath={.status.hard.pods}=0", "quota/none", "--timeout=30s")


@pytest.mark.parametrize("manifest", [{"image": "busybox", "resources": {"limits": {"memory": "much"}}}])
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_api_server_refuses_is_said(kubectl: Kubectl, kubelet: HandKubelet, kind: str, manifest) -> None:
    create(kubectl, [action("wrong", kind, manifest)])
    found = wait_for_phase(kubectl, "wrong", "Failed")
    assert reason(found) == "InvalidParameters"
    assert found["status"]["attempt"] == 1


def test_a_job_of_several_completions_shows_progress_and_gives_a_list(kubectl: Kubectl, kubelet: HandKubelet) -> None:
    spec = {"completions": 2, "parallelism": 1, "completionMode": "Indexed"}
    create(kubectl, [action("parts", "job", BUSYBOX | {"spec": spec})])
    kubelet.succeed("parts", "first")
    wait_for(kubectl, "parts", lambda item: (item["status"].get("progress") or {}).get("percent") == 50)
    kubelet.succeed("parts", "second")
    assert wait_for_phase(kubectl, "parts", "Succeeded")["status"]["output"] == ["first", "second"]


def test_get_shows_what_was_created(kubectl: Kubectl, kubelet: HandKubelet) -> None:
    create(kubectl, [action("shown", "pod", BUSYBOX)])
    pod = kubelet.wait_for_pod("shown")
    wait_for_phase(kubectl, "shown", "Running")
    assert get(kubectl, "shown")["status"]["externalId"] == pod["metadata"]["name"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_operator_created_before_its_crash_is_found_again(
    operators: Operators, kubectl: Kubectl, kubelet: HandKubelet, kind: str
) -> None:
    create(kubectl, [action("kept", kind, BUSYBOX)])
    pod = kubelet.wait_for_pod("kept")
    operators.kill()
    kubelet.report(pod, "Succeeded", container=ended(0, message="42"))
    operators.start(SETTINGS)
    found = wait_for_phase(kubectl, "kept", "Succeeded")
    assert (found["status"]["output"], found["status"]["attempt"]) == (42, 1)
    assert len(kubelet.pods("kept")) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_deleted_while_the_operator_is_away_takes_its_workload_along(
    operators: Operators, kubectl: Kubectl, kubelet: HandKubelet, kind: str
) -> None:
    create(kubectl, [action("dropped", kind, BUSYBOX)])
    kubelet.wait_for_pod("dropped")
    operators.kill()
    kubectl("delete", "ta", "dropped")
    wait_until(lambda: not kubelet.pods("dropped"), timeout=60, what="its pod to go")
    operators.start(SETTINGS)
