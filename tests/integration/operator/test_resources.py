"""Objects of any kind by their actions, on a real API server: kinds of its own, and one that nobody has heard of."""

import json
from collections.abc import Iterator

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import Body, action, condition, create, get, patch, reason, wait_for, wait_for_phase
from support.api import get_object, list_objects
from support.hand_kubelet import HandKubelet
from support.people import wait_for_default_account

pytestmark = pytest.mark.usefixtures("operator", "rights")
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "rayjobs.ray.io"},
    "spec": {
        "group": "ray.io",
        "scope": "Namespaced",
        "names": {"kind": "RayJob", "plural": "rayjobs", "singular": "rayjob"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        ],
    },
}
RAY_JOB = {"apiVersion": "ray.io/v1", "kind": "RayJob", "spec": {"entrypoint": "python train.py"}}
SETTINGS_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}}


@pytest.fixture(scope="module")
def ray(crds: Cluster) -> Iterator[None]:
    """A kind that the API server learns of, as an operator of its own would bring it."""
    crds.kubectl("apply", "-f", "-", stdin=json.dumps(DEFINITION))
    crds.kubectl("wait", "--for=condition=Established", "crd/rayjobs.ray.io", "--timeout=30s")
    yield
    crds.kubectl("delete", "crd", "rayjobs.ray.io")


@pytest.fixture
def rights(kubectl: Kubectl) -> None:
    """What the namespace's default account may do."""
    kinds = "--resource=pods,jobs.batch,configmaps,deployments.apps,rayjobs.ray.io"
    kubectl("create", "role", "resources", "--verb=create,get,list,delete", kinds)
    account = f"--serviceaccount={kubectl.namespace}:default"
    kubectl("create", "rolebinding", "resources", "--role=resources", account)
    wait_for_default_account(kubectl, "", "pods")


def resource(name: str, manifest: Body, **parameters: object) -> Body:
    return action(name, "resource", {"manifest": manifest, **parameters})


def report(kubectl: Kubectl, kind: str, name: str, status: Body) -> None:
    """Play the controller of a kind."""
    patched = json.dumps({"status": status})
    kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", patched)


def created(kubectl: Kubectl, kind: str, owner: str) -> Body:
    """Give the object of an action, once it is there."""
    found: list[Body] = []

    def there() -> bool:
        selector = f"taskaction.dev/action={owner}"
        found[:] = list_objects(kubectl, kind, selector)
        return bool(found)

    wait_until(there, timeout=30, what=f"the {kind} of {owner}")
    return found[0]


@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize(("status", "phase"), [("Complete", "Succeeded"), ("Failed", "Failed")], ids=["well", "badly"])
def test_a_ray_job_ends_as_its_controller_says(kubectl: Kubectl, status: str, phase: str) -> None:
    create(kubectl, [resource("train", RAY_JOB, output="status.result")])
    name = created(kubectl, "rayjob", "train")["metadata"]["name"]
    report(kubectl, "rayjob", name, {"jobStatus": "RUNNING", "jobDeploymentStatus": "Running"})
    wait_for(kubectl, "train", lambda item: "'RUNNING'" in condition(item, "Progressing").get("message", ""))
    report(kubectl, "rayjob", name, {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": status, "result": {"loss": 0.1}})
    found = wait_for_phase(kubectl, "train", phase)
    assert found["status"].get("output") == ({"loss": 0.1} if phase == "Succeeded" else None)
    assert reason(found) == {"Succeeded": "Completed", "Failed": "RayJobFailed"}[phase]


@pytest.mark.usefixtures("ray")
def test_an_abort_deletes_the_object(kubectl: Kubectl) -> None:
    create(kubectl, [resource("train", RAY_JOB)])
    created(kubectl, "rayjob", "train")
    patch(kubectl, "train", {"abort": {"reason": "too dear"}})
    wait_for_phase(kubectl, "train", "Aborted")
    assert not kubectl("get", "rayjobs", "--ignore-not-found")


def test_a_config_map_is_done_when_it_is_there(kubectl: Kubectl) -> None:
    create(kubectl, [resource("configure", SETTINGS_MAP)])
    wait_for_phase(kubectl, "configure", "Succeeded")
    assert get_object(kubectl, "configmap", "settings")["data"] == {"a": "1"}


def test_a_name_that_is_taken_is_not_overwritten(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "settings", "--from-literal=a=2")
    create(kubectl, [resource("configure", SETTINGS_MAP)])
    assert reason(wait_for_phase(kubectl, "configure", "Failed")) == "AlreadyExists"
    assert get_object(kubectl, "configmap", "settings")["data"] == {"a": "2"}


def test_a_job_by_its_own_conditions(kubectl: Kubectl) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]}}
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": template}}
    create(kubectl, [resource("batch", manifest, output="status.succeeded")])
    job = created(kubectl, "job", "batch")["metadata"]["name"]
    kubelet = HandKubelet(kubectl)
    found: list[Body] = []

    def pod_there() -> bool:
        found[:] = list_objects(kubectl, "pods", f"job-name={job}")
        return bool(found)

    wait_until(pod_there, timeout=30, what="the Job's pod")
    kubelet.report(found[0], "Succeeded")
    assert wait_for_phase(kubectl, "batch", "Succeeded")["status"]["output"] == 1


def test_a_deployment_is_done_when_it_is_available(kubectl: Kubectl) -> None:
    spec = {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "busybox"}]},
        },
    }
    create(kubectl, [resource("web", {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec})])
    wait_for_phase(kubectl, "web", "Succeeded")


@pytest.mark.usefixtures("ray")
def test_a_second_attempt_of_a_fixed_name_makes_way_for_itself(kubectl: Kubectl) -> None:
    manifest = RAY_JOB | {"metadata": {"name": "train"}}
    policy = {"limit": 1, "backoff": {"initial": "100ms"}}
    create(
        kubectl, [resource("train", manifest) | {"spec": resource("train", manifest)["spec"] | {"retryPolicy": policy}}]
    )
    first = created(kubectl, "rayjob", "train")["metadata"]["uid"]
    report(kubectl, "rayjob", "train", {"jobDeploymentStatus": "Failed"})
    wait_until(
        lambda: (
            kubectl("get", "rayjob", "train", "--ignore-not-found", "-o", "jsonpath={.metadata.uid}") not in {"", first}
        ),
        timeout=30,
        what="the second attempt's object",
    )
    report(kubectl, "rayjob", "train", {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"})
    assert wait_for_phase(kubectl, "train", "Succeeded")["status"]["attempt"] == 2


@pytest.mark.usefixtures("ray")
def test_what_nothing_owns_is_held_until_its_abort_has_deleted_it(kubectl: Kubectl) -> None:
    create(kubectl, [resource("train", RAY_JOB, owned=False)])
    found = created(kubectl, "rayjob", "train")
    assert "ownerReferences" not in found["metadata"]
    assert get(kubectl, "train")["metadata"]["finalizers"] == ["taskaction.dev/abort"]
    kubectl("delete", "ta", "train")
    assert not kubectl("get", "rayjobs", "--ignore-not-found")


REFUSED = {
    "an unknown kind": ({"apiVersion": "none.example/v1", "kind": "Thing"}, {}, "does not know kind 'Thing'"),
    "a kind without known ends": (
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"},
        {},
        "success: kind Lease has no default",
    ),
    "another namespace": (
        SETTINGS_MAP | {"metadata": {"name": "settings", "namespace": "default"}},
        {},
        "set owned to false",
    ),
    "the whole cluster": (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}},
        {},
        "an action cannot own a cluster-scoped object",
    ),
    "another namespace without rights": (
        SETTINGS_MAP | {"metadata": {"name": "settings", "namespace": "default"}},
        {"owned": False},
        "may not create configmaps",
    ),
    "an owner of one's own": (SETTINGS_MAP | {"metadata": {"ownerReferences": []}}, {}, "metadata.ownerReferences"),
    "no kind": ({"apiVersion": "v1"}, {}, "manifest.kind"),
}


@pytest.mark.parametrize(("manifest", "more", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_with_the_mend(kubectl: Kubectl, manifest: Body, more: Body, told: str) -> None:
    create(kubectl, [resource("wrong", manifest, **more)])
    found = wait_for_phase(kubectl, "wrong", "Failed")
    assert told in found["status"]["error"]["message"]
