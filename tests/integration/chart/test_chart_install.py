"""The chart's life on a cluster that runs pods: installed, used, upgraded, and gone without a trace of being stuck."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chart.helm import CHART, Helm
from cluster.kubectl import Kubectl
from cluster.node.nodecluster import NodeCluster
from cluster.processes import wait_until
from image.build import Image, build
from local.examples import EXAMPLES, Example
from support import port_server
from support.actions import action, create, get_all, phase, wait_for_phase
from support.api import get_object, list_objects
from support.cluster import new_namespace
from support.rendered import read_manifests

OPS = "ops"
PREVIOUS = Path(__file__).parents[2] / "data" / "charts" / "taskaction-operator-0.0.1.tgz"
"""The chart as it was before, packed by helm; for the next version, pack this one in its place."""
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
    with new_namespace(node, "team") as name:
        yield node.kubectl.within(name)


def manifest(helm: Helm) -> list[dict[str, Any]]:
    """Give what the release consists of now."""
    return read_manifests(helm("get", "manifest", "ta", f"--namespace={OPS}"))


def opened(team: Kubectl) -> str:
    return f"accounts.namespaces={{{team.namespace}}}"


def options(image: Image, *more: str) -> list[str]:
    repository, _, tag = image.name.rpartition(":")
    chosen = [f"image.repository={repository}", f"image.tag={tag}", "image.pullPolicy=Never", *more]
    return [f"--namespace={OPS}", "--wait", "--timeout=120s", *(f"--set={value}" for value in chosen)]


def start(node: NodeCluster, team: Kubectl, *words: str) -> subprocess.Popen[str]:
    """Start a command of people's in the namespace of their actions."""
    program = [str(Path(sys.executable).with_name("taskaction")), *words, f"--namespace={team.namespace}"]
    command = [*program, f"--kubeconfig={node.kubeconfig}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def taskaction(node: NodeCluster, team: Kubectl, *words: str) -> tuple[str, str]:
    with start(node, team, *words) as running:
        out, err = running.communicate(timeout=60)
    assert running.returncode == 0, out + err
    return out, err


@pytest.mark.timeout(400)
def test_from_the_installation_to_the_uninstallation(
    helm: Helm, node: NodeCluster, team: Kubectl, image: Image
) -> None:
    # The version before, without a pod: its image is not here, but everything else of it is in the cluster.
    helm("install", "ta", str(PREVIOUS), *options(image, opened(team), "replicaCount=0", "release.timeout=10s"))
    old = manifest(helm)
    create(team, [action("before", "sleep", {"duration": "100ms"})])
    said = helm("upgrade", "ta", str(CHART), "--reset-then-reuse-values", *options(image, "replicaCount=1"))
    assert "helm test ta" in said
    wait_for_phase(team, "before", "Succeeded", 60)
    assert "Phase:          Succeeded" in helm("test", "ta", f"--namespace={OPS}", "--timeout=90s")
    ready = get_object(node.kubectl.within(OPS), *DEPLOYMENT.split("/"))["status"]["readyReplicas"]
    assert ready == 1

    for name in "01-hello", "03-retry", "07-job", "09-resource":
        example = Example.read(EXAMPLES / name)
        results = example.run(team, say=lambda _: None)
        assert {result.action: result.phase for result in results} == example.expected

    assert "no connection to the warehouse" in taskaction(node, team, "logs", "import-sales")[0]
    told, _ = taskaction(node, team, "doctor", "--output=json")
    assert {one["level"] for one in json.loads(told)} == {"ok"}, told
    assert "last watch event" in told

    helm("upgrade", "ta", str(CHART), "--reuse-values", *options(image, "settings.WORKERS_COUNT=8"))
    env = node.kubectl("get", DEPLOYMENT, "-n", OPS, "-o", "jsonpath={.spec.template.spec.containers[0].env[*].name}")
    assert "TASKACTION_WORKERS_COUNT" in env
    create(team, [action("after", "sleep", {"duration": "100ms"})])
    wait_for_phase(team, "after", "Succeeded", 60)

    # Back to the version before, and on again: nothing is refused on the way, and actions outlive it.
    helm("rollback", "ta", "1", f"--namespace={OPS}", "--wait", "--timeout=120s")
    assert manifest(helm) == old
    create(team, [action("meanwhile", "noop")])
    helm("rollback", "ta", "3", f"--namespace={OPS}", "--wait", "--timeout=120s")
    wait_for_phase(team, "meanwhile", "Succeeded", 60)

    # Something that nobody answers, something held by a finalizer, and a pod that runs.
    held = {"manifest": {"apiVersion": "v1", "kind": "ConfigMap", "data": {}}, "owned": False,
            "success": [{"field": {"path": "data.done", "equals": "yes"}}]}  # fmt: skip
    team("create", "role", "all", "--verb=create,get,list,delete", "--resource=pods,configmaps")
    team("create", "rolebinding", "all", "--role=all", f"--serviceaccount={team.namespace}:default")
    waits = {
        "image": "busybox:1.36",
        "command": ["sh", "-c", "echo begins; trap 'echo ends; exit 0' TERM; sleep 600 & wait"],
    }
    create(team, [action("asked", "approval", {"prompt": "?"}), action("held", "resource", held),
                  action("busy", "pod", waits)])  # fmt: skip
    wait_for_phase(team, "asked", "Paused", 60)
    wait_for_phase(team, "held", "Running", 60)
    wait_for_phase(team, "busy", "Running", 60)
    following = start(node, team, "logs", "busy", "--follow")
    assert following.stdout is not None
    assert any("begins" in line for line in following.stdout)
    helm("uninstall", "ta", f"--namespace={OPS}", "--wait", "--timeout=120s")
    rest, err = following.communicate(timeout=60)
    assert (following.returncode, rest.count("begins"), rest.count("ends")) == (0, 0, 1), rest + err
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
    helm("install", "ta", str(CHART), *options(image, opened(team), "release.timeout=3s", "crds.keep=false"))
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
    kinds = lambda: node.kubectl("get", "crds", "-o", "name")  # noqa: E731
    wait_until(lambda: "taskaction.dev" not in kinds(), timeout=30, what="the kinds to go, with the action")


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


CALL = """
import json, sys, urllib.request
url, token = sys.argv[1:]
run = {"org": "acme", "project": "shop", "domain": "test", "name": "r1"}
action = {"actionId": {"run": run, "name": "a0"}, "inputUri": "s3://in", "runOutputBase": "s3://out",
          "task": {"spec": {"taskTemplate": {"type": "noop"}}}}
headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
request = urllib.request.Request(url, json.dumps({"action": action}).encode(), headers)
print(urllib.request.urlopen(request, timeout=20).read().decode())
"""
METRICS = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"
PORTS = {"operator": 8080, "port-agent": 8081, "webhooks": 8091, "actions": 8095}


def addresses(kubectl: Kubectl) -> dict[str, str]:
    """Give where the pods of a release are, by component."""
    pods = list_objects(kubectl.within(OPS), "pods")
    return {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod["status"]["podIP"] for pod in pods}


@pytest.mark.timeout(400)
def test_every_component_runs_as_a_pod_with_the_rights_that_it_needs(
    helm: Helm, node: NodeCluster, team: Kubectl, image: Image, tmp_path: Path
) -> None:
    python = "/opt/taskaction/bin/python3"
    (tmp_path / "main.py").write_text(STAND_IN)
    source = Path(port_server.__file__)
    team("create", "configmap", "port", f"--from-file={source}", f"--from-file={tmp_path / 'main.py'}")
    container = {"name": "port", "image": image.name, "imagePullPolicy": "Never",
                 "command": [python, "/srv/main.py"],
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
    node.kubectl("create", "secret", "generic", "key", "-n", OPS, f"--from-literal=key={'k' * 32}")
    values = {
        "portAgent": {"enabled": "true", "installationId": port_server.INSTALLATION, "namespace": str(team.namespace),
                      "credentialsSecret": "port", "baseUrl": f"http://{address}:8000"},
        "webhooks": {"enabled": "true", "replicaCount": "1", "url": "https://hooks.example.org", "keySecret": "key"},
        "actions": {"enabled": "true", "replicaCount": "1", "namespace": str(team.namespace),
                    "taskTypes.noop": "noop"},
        "flowControl": {"enabled": "true"},
        "networkPolicy": {"enabled": "true"},
    }  # fmt: skip
    chosen = [f"{part}.{name}={value}" for part, told in values.items() for name, value in told.items()]
    helm("install", "ta", str(CHART), *options(image, opened(team), *chosen))  # which waits until all are ready
    wait_until(lambda: "r_ok=SUCCESS" in team("logs", "port"), timeout=60, what="the run to end")
    wait_until(lambda: "Paused" in map(phase, get_all(team).values()), timeout=60, what="the other one to wait")

    team("create", "serviceaccount", "caller")
    team("create", "role", "caller", "--verb=create", "--resource=taskactions.taskaction.dev")
    team("create", "rolebinding", "caller", "--role=caller", f"--serviceaccount={team.namespace}:caller")
    found = addresses(node.kubectl)
    enqueue = f"http://{found['actions']}:8094/flyteidl2.actions.ActionsService/Enqueue"
    token = team("create", "token", "caller").strip()
    assert team("exec", "port", "--", python, "-c", CALL, enqueue, token).strip() == "{}"
    ended = "Succeeded"
    wait_until(lambda: [phase(one) for one in get_all(team).values()].count(ended) == 2, timeout=60, what="Flyte's")
    for component, port in PORTS.items():
        told = team("exec", "port", "--", python, "-c", METRICS, f"http://{found[component]}:{port}/metrics")
        assert f'taskaction_build_info{{component="{component}"' in told
        forbidden = re.findall(
            r'^taskaction_\w*api_request\w*_(?:count|total){.*code="(?:401|403)".*$', told, re.MULTILINE
        )
        assert forbidden == [], component

    helm("uninstall", "ta", f"--namespace={OPS}", "--wait", "--timeout=120s")
    assert team("logs", "port").splitlines()[-1] == "r_ok=SUCCESS r_waits=FAILURE"
    assert not any("finalizers" in item["metadata"] for item in get_all(team).values())
    node.kubectl("delete", "secret", "port", "key", "-n", OPS)
    kinds = "clusterroles,clusterrolebindings,flowschemas,prioritylevelconfigurations"
    assert "taskaction" not in node.kubectl("get", kinds, "-o", "name")
    here = "deployments,services,networkpolicies,poddisruptionbudgets,serviceaccounts,roles,rolebindings,configmaps"
    assert "taskaction" not in node.kubectl("get", here, "-n", OPS, "-o", "name")
