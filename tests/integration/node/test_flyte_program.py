"""A Flyte program, by the published SDK, whose parent and children are pods: what `docs/flyte.md` tells users to do."""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_connect import ActionsServiceClientSync
from flyteidl2.task.common_pb2 import Outputs

from cluster.clusters import Cluster
from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.node.link import GATEWAY
from cluster.node.nodecluster import NodeCluster
from cluster.processes import wait_until
from local.manifests import ROOT
from support.actions import Body, create, patch, wait_for_phase
from support.actions_services import ActionsServices, task
from support.api import list_objects
from support.cluster import delete_namespace
from support.flyte_tasks import amount, container_task, parameters
from support.flytesdk import environment, image
from support.operators import QUICK_LEASES, Operators

EXAMPLE = ROOT / "examples" / "flyte"
AUDIENCE = "flyte-actions"
ACCOUNT = "flyte"
GRACE_SECONDS = 30
"""Kubernetes' default for a pod."""


@dataclass(frozen=True)
class House:
    """Everything that a program needs: a namespace, storage that its pods share, and the Actions service."""

    kubectl: Kubectl
    storage: Path
    services: ActionsServices

    def token(self) -> str:
        """Give a token of the program's account, for the service alone."""
        return self.kubectl("create", "token", ACCOUNT, f"--audience={AUDIENCE}").strip()

    def submit(self, run: str, *inputs: str) -> None:
        """Start a run of the example."""
        token = self.storage / "token"
        token.write_text(self.token())
        where = ["--endpoint", self.services.url, "--base", f"file://{self.storage}/{run}", "--token-file", str(token)]
        command = [str(environment.python()), "submit.py", *where, "--run", run, "--account", ACCOUNT]
        done = subprocess.run(
            [*command, "program:main", *inputs],
            cwd=EXAMPLE,
            env={**os.environ, "FSSPEC_FILE_AUTO_MKDIR": "true"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr

    def actions(self, run: str) -> list[Body]:
        """Give the actions of a run."""
        return list_objects(self.kubectl, "ta", f"flyte.org/run={run}")


@pytest.fixture(scope="module")
def house(
    node_cluster: Cluster, node_operators: Operators, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    if not isinstance(node_cluster, NodeCluster):
        pytest.skip("needs a node of its own, for an image that no registry has: unset KUBECONFIG")
    node_cluster.import_image(image.archive())
    name = f"flyte-{secrets.token_hex(4)}"
    node_cluster.kubectl("create", "namespace", name)
    kubectl = node_cluster.kubectl.within(name)
    storage = tmp_path_factory.mktemp("runs")
    volume(kubectl, storage)
    kubectl(
        "apply",
        "-f",
        "-",
        stdin=(EXAMPLE / "manifests.yaml").read_text().replace("mountPath: /flyte", f"mountPath: {storage}"),
    )
    kubectl("create", "configmap", "flyte-program", f"--from-file={EXAMPLE / 'program.py'}")
    inside = [*node_cluster.enter("net"), "--"]
    folder = tmp_path_factory.mktemp("service")
    services = ActionsServices(kubectl, name, folder, within=inside, host=node_cluster.link.node)
    port = services.address.rpartition(":")[2]
    services.start(
        bind=f"0.0.0.0:{port}",
        authentication="token",
        audiences=AUDIENCE,
        task_types="none=noop",
        templates=f"file://{storage}/templates",
    )
    settings = {"ENDPOINT": f"http://{GATEWAY}:{port}", "AUDIENCE": AUDIENCE, "STORAGE": f"{name}=file://{storage}"}
    node_operators.start(QUICK_LEASES | {f"TASKACTION_FLYTE_{key}": value for key, value in settings.items()})
    yield House(kubectl, storage, services)
    services.close()
    delete_namespace(node_cluster.kubectl, name)
    node_cluster.kubectl("delete", "pv", name, "--wait=false")


def volume(kubectl: Kubectl, folder: Path) -> None:
    """Make the claim of the example, and a folder of the node that satisfies it."""
    space = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    claim = {"name": "flyte-runs", "namespace": kubectl.namespace}
    items = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": kubectl.namespace},
            "spec": {**space, "capacity": {"storage": "1Gi"}, "hostPath": {"path": str(folder)}, "claimRef": claim},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": claim["name"]},
            "spec": {**space, "resources": {"requests": {"storage": "1Gi"}}, "volumeName": kubectl.namespace},
        },
    ]
    kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def ended(house: House, run: str) -> Body:
    """Wait for the end of a run and give its first action; what its pods say is in the failure."""

    def first() -> Body:
        items = house.actions(run)
        return next(item for item in items if item["metadata"]["labels"]["flyte.org/is-root"] == "true")

    try:
        wait_until(lambda: "finishedAt" in first().get("status", {}), timeout=110, what="the run to end", every=0.5)
        assert first()["status"]["phase"] == "Succeeded", first()["status"]
    except (ClusterError, AssertionError) as error:
        logs = house.kubectl("logs", "-l", "taskaction.dev/uid", "--tail=40", "--prefix", "--ignore-errors")
        raise AssertionError(f"{error}\n{house.kubectl('get', 'ta,pods', '-o', 'wide')}\n{logs}") from error
    return first()


def test_a_program_starts_children_in_pods_and_gets_what_they_give_back(house: House) -> None:
    house.submit("r1", "count=2")

    first = ended(house, "r1")
    assert first["status"]["outputUri"] == f"file://{house.storage}/r1/a0/1"
    outputs = Outputs.FromString((house.storage / "r1" / "a0" / "1" / "outputs.pb").read_bytes())
    assert outputs.literals[0].value.scalar.primitive.string_value == "5, and ValueError: 2 is of no use"
    children = [item for item in house.actions("r1") if item["metadata"]["uid"] != first["metadata"]["uid"]]
    assert sorted(item["status"]["phase"] for item in children) == ["Failed", "Succeeded", "Succeeded"]
    (failed,) = (item for item in children if item["status"]["phase"] == "Failed")
    assert (failed["status"]["error"]["code"], failed["status"]["error"]["kind"]) == ("ValueError", "User")
    log = house.services.running[-1].log.read_text()
    who = f"system:serviceaccount:{house.kubectl.namespace}:{ACCOUNT}"
    calls = [line for line in log.splitlines() if f"by={who} " in line and "method=Enqueue" in line]
    assert ["code=ok" in line for line in calls] == [True] * 4  # the run, and what its parent has started


def test_what_the_platform_ends_is_run_again_and_counted_apart(house: House) -> None:
    script = 'case $FLYTE_ATTEMPT_NUMBER in 0) trap "exit 1" TERM; sleep 600 & wait;; esac'
    given = parameters(
        container_task(image="busybox:1.36", command=["sh", "-c", script], args=[]),
        runOutputBase=f"file://{house.storage}/r2",
    )
    policy = {"limit": 0, "systemLimit": 1, "backoff": {"initial": "100ms"}}
    spec = {"executor": "flyte", "parameters": given, "retryPolicy": policy, "runAs": {"serviceAccountName": ACCOUNT}}
    create(
        house.kubectl,
        [{"apiVersion": "taskaction.dev/v1alpha1", "kind": "TaskAction", "metadata": {"name": "lost"}, "spec": spec}],
    )
    found: list[str] = []

    def runs() -> bool:
        listed = list_objects(house.kubectl, "pods", "taskaction.dev/action=lost")
        found[:] = [pod["metadata"]["name"] for pod in listed if pod["status"]["phase"] == "Running"]
        return bool(found)

    wait_until(runs, timeout=60, what="the pod to run")
    house.kubectl("delete", "pod", found[0], "--wait=false")
    status = wait_for_phase(house.kubectl, "lost", "Succeeded", 60)["status"]
    assert (status["attempt"], status["systemFailures"]) == (2, 1)
    assert status["outputUri"] == f"file://{house.storage}/r2/a1/2"
    assert status["attempts"][0]["error"]["kind"] == "System"


def test_f05_an_aborted_program_that_handles_no_signal_ends_long_before_its_grace_period(house: House) -> None:
    program = container_task(
        image="busybox:1.36", command=["sleep", "600"], args=[], resources={"requests": [amount("MEMORY", "50Mi")]}
    )
    given = parameters(program, runOutputBase=f"file://{house.storage}/r4")
    spec = {"executor": "flyte", "parameters": given, "runAs": {"serviceAccountName": ACCOUNT}}
    create(
        house.kubectl,
        [
            {
                "apiVersion": "taskaction.dev/v1alpha1",
                "kind": "TaskAction",
                "metadata": {"name": "stopped"},
                "spec": spec,
            }
        ],
    )
    started = wait_for_phase(house.kubectl, "stopped", "Running", 60)["status"]["attempts"][-1]
    assert started["startedAt"] <= started["initializingAt"] <= started["runningAt"]

    patch(house.kubectl, "stopped", {"abort": {"reason": "enough"}})

    found = wait_for_phase(house.kubectl, "stopped", "Aborted", 30)
    asked, over = (datetime.fromisoformat(one) for one in (found["spec"]["abort"]["at"], found["status"]["finishedAt"]))
    assert over - asked < timedelta(seconds=GRACE_SECONDS / 2)


def test_a_template_that_no_object_holds_is_stored_and_run(house: House) -> None:
    request = task("r3", kind="raw")
    template = request.action.task.spec.task_template
    template.MergeFrom(container_task(image="busybox:1.36", command=["true"], args=[]))
    template.config["noise"] = secrets.token_hex(300_000)
    template.security_context.run_as.k8s_service_account = ACCOUNT
    request.action.run_output_base = f"file://{house.storage}/r3"
    headers = {"authorization": f"Bearer {house.token()}"}
    client = ActionsServiceClientSync(house.services.url)

    client.enqueue(request, headers=headers)

    with pytest.raises(ConnectError) as again:
        client.enqueue(request, headers=headers)
    assert again.value.code == Code.ALREADY_EXISTS
    found = ended(house, "r3")
    (stored,) = (file for file in (house.storage / "templates").rglob("*") if file.is_file())
    assert found["spec"]["parameters"]["templateUri"] == f"file://{stored}"
    assert found["status"]["outputUri"] == f"file://{house.storage}/r3/a0/1"
