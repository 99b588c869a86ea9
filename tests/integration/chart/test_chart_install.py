"""The chart's life on a cluster that runs pods: installed, used, upgraded, and gone without a trace of being stuck."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from chart.helm import CHART, Helm
from cluster.kubectl import Kubectl
from cluster.node.nodecluster import NodeCluster
from cluster.processes import wait_until
from image.build import Image, build
from local.examples import EXAMPLES, Example
from support import port_server
from support.actions import action, create, get_all, phase, wait_for_phase
from support.cluster import delete_namespace

OPS = "ops"
DEPLOYMENT = "deployment/ta-taskaction-operator"


@pytest.fixture(scope="module")
def image() -> Image:
    """The image of this checkout."""
    return build()


@pytest.fixture(scope="module")
def node(node_programs: Path, image: Image) -> Iterator[NodeCluster]:
    """A cluster with a node that has the image, and nothing else of the project."""
    with NodeCluster(node_programs) as found:
        found.import_image(image.archive)
        found.kubectl("create", "namespace", OPS)
        found.kubectl("label", "namespace", OPS, "pod-security.kubernetes.io/enforce=restricted")
        yield found


@pytest.fixture(scope="module")
def helm(node: NodeCluster) -> Helm:
    """Helm for that cluster, built where it is not in the cache yet."""
    return Helm.built(node.kubeconfig)


@pytest.fixture
def team(node: NodeCluster) -> Iterator[Kubectl]:
    """A namespace whose actions may use its accounts."""
    name = f"team-{secrets.token_hex(4)}"
    node.kubectl("create", "namespace", name)
    yield node.kubectl.within(name)
    delete_namespace(node.kubectl, name)


def opened(team: Kubectl) -> str:
    return f"accounts.namespaces={{{team.namespace}}}"


def options(image: Image, *more: str) -> list[str]:
    repository, _, tag = image.name.rpartition(":")
    chosen = [f"image.repository={repository}", f"image.tag={tag}", "image.pullPolicy=Never", *more]
    return [f"--namespace={OPS}", "--wait", "--timeout=120s", *(f"--set={value}" for value in chosen)]


@pytest.mark.timeout(400)
def test_from_the_installation_to_the_uninstallation(
    helm: Helm, node: NodeCluster, team: Kubectl, image: Image
) -> None:
    said = helm("install", "ta", str(CHART), *options(image, opened(team), "release.timeout=10s"))
    assert "kubectl get taskactions -w" in said
    ready = json.loads(node.kubectl("get", DEPLOYMENT, "-n", OPS, "-o", "json"))["status"]["readyReplicas"]
    assert ready == 1

    for name in "01-hello", "03-retry", "07-job", "09-resource":
        example = Example.read(EXAMPLES / name)
        results = example.run(team, say=lambda _: None)
        assert {result.action: result.phase for result in results} == example.expected

    helm("upgrade", "ta", str(CHART), "--reuse-values", *options(image, "settings.WORKERS_COUNT=8"))
    env = node.kubectl("get", DEPLOYMENT, "-n", OPS, "-o", "jsonpath={.spec.template.spec.containers[0].env[*].name}")
    assert "TASKACTION_WORKERS_COUNT" in env
    create(team, [action("after", "sleep", {"duration": "100ms"})])
    wait_for_phase(team, "after", "Succeeded", 60)

    # Something that nobody answers, something held by a finalizer, and a pod that runs.
    held = {"manifest": {"apiVersion": "v1", "kind": "ConfigMap", "data": {}}, "owned": False,
            "success": [{"field": {"path": "data.done", "equals": "yes"}}]}  # fmt: skip
    team("create", "role", "all", "--verb=create,get,list,delete", "--resource=pods,configmaps")
    team("create", "rolebinding", "all", "--role=all", f"--serviceaccount={team.namespace}:default")
    waits = {"image": "busybox:1.36", "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"]}
    create(team, [action("asked", "approval", {"prompt": "?"}), action("held", "resource", held),
                  action("busy", "pod", waits)])  # fmt: skip
    wait_for_phase(team, "asked", "Paused", 60)
    wait_for_phase(team, "held", "Running", 60)
    wait_for_phase(team, "busy", "Running", 60)
    helm("uninstall", "ta", f"--namespace={OPS}", "--wait", "--timeout=120s")
    found = get_all(team)
    assert {name: phase(found[name]) for name in ("asked", "held", "busy")} == dict.fromkeys(
        ("asked", "held", "busy"), "Aborted"
    )
    assert not any("finalizers" in item["metadata"] for item in found.values())
    wait_until(lambda: not node.kubectl("get", "pods,jobs", "-n", OPS, "-o", "name"), timeout=60, what="pods to go")
    team("delete", "taskactions", "--all", "--timeout=30s")
    kinds = "clusterroles,clusterrolebindings,validatingadmissionpolicies,mutatingadmissionpolicies"
    assert "taskaction" not in node.kubectl("get", kinds, "-o", "name")
    assert "taskactions.taskaction.dev" in node.kubectl("get", "crds", "-o", "name")


@pytest.mark.timeout(300)
def test_without_a_running_operator_the_uninstallation_ends_all_the_same(
    helm: Helm, node: NodeCluster, team: Kubectl, image: Image
) -> None:
    helm("install", "ta", str(CHART), *options(image, opened(team), "release.timeout=3s"))
    create(team, [action("stuck", "approval", {"prompt": "?"})])
    wait_for_phase(team, "stuck", "Paused", 60)
    finalizer = json.dumps(
        {"metadata": {"finalizers": ["taskaction.dev/abort"], "labels": {"taskaction.dev/held": "true"}}}
    )
    team("patch", "ta", "stuck", "--type=merge", "-p", finalizer)
    node.kubectl("scale", DEPLOYMENT, "-n", OPS, "--replicas=0")
    node.kubectl(
        "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/component=operator", "-n", OPS, "--timeout=60s"
    )
    team("delete", "ta", "stuck", "--wait=false")
    helm("uninstall", "ta", f"--namespace={OPS}", "--wait", "--timeout=120s")
    wait_until(lambda: not get_all(team), timeout=30, what="the action to go")


STAND_IN = """
import asyncio, sys
sys.path.insert(0, "/srv")
from port_server import PortServer

async def serve():
    server = PortServer(host="0.0.0.0", port=8000)
    server.add("r_ok", "noop")
    server.add("r_waits", "approval", {"prompt": "?"})
    said = None
    async with server:
        while True:
            told = " ".join(f"{run.id}={','.join(run.ends)}" for run in server.runs.values())
            if told != said:
                print(told, flush=True)
            said = told
            await asyncio.sleep(0.1)

asyncio.run(serve())
"""


@pytest.mark.timeout(400)
def test_the_port_agent_runs_as_a_pod_and_tells_port_of_what_an_uninstallation_ends(
    helm: Helm, node: NodeCluster, team: Kubectl, image: Image, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(STAND_IN)
    source = Path(port_server.__file__)
    team("create", "configmap", "port", f"--from-file={source}", f"--from-file={tmp_path / 'main.py'}")
    container = {"name": "port", "image": image.name, "imagePullPolicy": "Never",
                 "command": ["/opt/taskaction/bin/python3", "/srv/main.py"],
                 "volumeMounts": [{"name": "srv", "mountPath": "/srv"}]}  # fmt: skip
    volumes = [{"name": "srv", "configMap": {"name": "port"}}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "port"},
           "spec": {"containers": [container], "volumes": volumes}}  # fmt: skip
    team("create", "-f", "-", stdin=json.dumps(pod))
    team("wait", "--for=condition=Ready", "pod/port", "--timeout=50s")
    address = team("get", "pod", "port", "-o", "jsonpath={.status.podIP}")
    credentials = (f"--from-literal=clientId={port_server.CLIENT_ID}",
                   f"--from-literal=clientSecret={port_server.CLIENT_SECRET}")  # fmt: skip
    node.kubectl("create", "secret", "generic", "port", "-n", OPS, *credentials)
    agent = {"enabled": "true", "installationId": port_server.INSTALLATION, "namespace": str(team.namespace),
             "credentialsSecret": "port", "baseUrl": f"http://{address}:8000"}  # fmt: skip
    helm("install", "ta", str(CHART), *options(image, *(f"portAgent.{name}={value}" for name, value in agent.items())))
    wait_until(lambda: "r_ok=SUCCESS" in team("logs", "port"), timeout=60, what="the run to end")
    wait_until(lambda: "Paused" in map(phase, get_all(team).values()), timeout=60, what="the other one to wait")
    helm("uninstall", "ta", f"--namespace={OPS}", "--wait", "--timeout=120s")
    assert team("logs", "port").splitlines()[-1] == "r_ok=SUCCESS r_waits=FAILURE"
    assert not any("finalizers" in item["metadata"] for item in get_all(team).values())
    node.kubectl("delete", "secret", "port", "-n", OPS)
