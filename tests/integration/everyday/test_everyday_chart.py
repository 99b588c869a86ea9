"""The first day with the chart: what its commands do that the documents print, and what its values can change."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart.helm import CHART, Helm, HelmError
from cluster.clusters import Cluster
from local import manifests
from local.manifests import ROOT
from support.cluster import new_namespace
from support.rendered import read_manifests
from taskaction.plugin.settings import SettingsReader
from taskaction.runtime.config import OperatorConfig

Manifest = dict[str, Any]
RELEASE = ("ta", str(CHART), "--namespace=ops")
PAGES = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", CHART / "README.md"]


@pytest.fixture(scope="module")
def helm() -> Helm:
    """Helm without a cluster."""
    return Helm.built()


def rendered(helm: Helm, *options: str) -> list[Manifest]:
    return read_manifests(helm("template", *RELEASE, *options))


def one_of(found: list[Manifest], kind: str, name: str = "ta-taskaction-operator") -> Manifest:
    return next(one for one in found if one["kind"] == kind and one["metadata"]["name"] == name)


def pod_of(found: list[Manifest], name: str = "ta-taskaction-operator") -> Manifest:
    spec: Manifest = one_of(found, "Deployment", name)["spec"]["template"]["spec"]
    return spec


def environment(found: list[Manifest], name: str = "ta-taskaction-operator") -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in pod_of(found, name)["containers"][0]["env"]}


def values_file(folder: Path, values: Manifest) -> str:
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    return f"--values={path}"


@pytest.fixture(scope="module")
def by_hand(crds: Cluster) -> Iterator[Helm]:
    """Helm for a cluster whose CRDs and policies were applied by hand; they are afterwards as they were."""
    yield Helm.built(crds.kubeconfig)
    manifests.install(crds.kubectl)


def test_u04_the_documented_command_adopts_crds_that_were_applied_by_hand(by_hand: Helm, crds: Cluster) -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    command = next(block for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL) if "ownership" in block)
    options = re.findall(r"--(?:take-ownership|force-conflicts)", command)
    with new_namespace(crds, "adopts") as namespace:
        place = f"--namespace={namespace}"
        by_hand("install", "adopts", str(CHART), place, "--set=operator.enabled=false", *options)
        assert "deployed" in by_hand("status", "adopts", place)
        by_hand("uninstall", "adopts", place)
    assert "taskactions.taskaction.dev" in crds.kubectl("get", "crds", "-o", "name")


def test_u05_a_missing_namespace_is_named_before_anything_changes(by_hand: Helm, crds: Cluster) -> None:
    with new_namespace(crds, "missing") as namespace:
        place = f"--namespace={namespace}"
        with pytest.raises(HelmError) as refused:
            by_hand("install", "missing", str(CHART), place, "--set=accounts.namespaces={team-of-nobody}")
        assert 'accounts.namespaces: namespace "team-of-nobody" does not exist' in str(refused.value)
        assert "kubectl create namespace team-of-nobody" in str(refused.value)
        assert "missing" not in by_hand("list", "--short", place)
        assert "sh.helm.release" not in crds.kubectl("get", "secrets", "-n", namespace, "-o", "name")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_u06_every_page_installs_the_packed_chart(page: Path) -> None:
    commands = re.findall(r"helm (?:install|upgrade) (?:[^\n]*\\\n)*[^\n]*", page.read_text(encoding="utf-8"))
    assert [one for one in commands if "charts/taskaction-operator" in one] == []


def test_u06_the_page_says_how_the_image_gets_into_a_node() -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    assert "`taskaction-operator:VERSION`" in page
    assert "kind load image-archive dist/taskaction-operator-VERSION.tar" in page


NUMBERS = {"MAX_OUTPUT_BYTES": 2_000_000, "RUNS_BUFFER_HIGH_WATERMARK": 1_000_000, "SHARDS": 4}


def test_u07_whole_numbers_of_a_values_file_stay_whole(helm: Helm, tmp_path: Path) -> None:
    values = {
        "settings": NUMBERS,
        "webhooks": {"enabled": True, "settings": {"MAX_PENDING_BYTES": 5_000_000_000}},
        "terminationGracePeriodSeconds": 1_000_000,
    }
    found = rendered(helm, values_file(tmp_path, values))
    shown = environment(found)
    assert {name: shown[f"TASKACTION_{name}"] for name in NUMBERS} == {name: str(n) for name, n in NUMBERS.items()}
    inbox = environment(found, "ta-taskaction-operator-webhooks")
    assert inbox["TASKACTION_WEBHOOKS_MAX_PENDING_BYTES"] == "5000000000"
    assert pod_of(found)["terminationGracePeriodSeconds"] == 1_000_000


MISSPELT = {
    "settings": "WORKER_COUNT",
    "webhooks.settings": "MAX_PENDINGS",
    "actions.settings": "MAX_TRACE",
    "portAgent.settings": "BASE_ULR",
}


@pytest.mark.parametrize(("place", "name"), MISSPELT.items(), ids=MISSPELT)
def test_u08_the_chart_refuses_a_misspelt_setting(helm: Helm, place: str, name: str) -> None:
    with pytest.raises(HelmError) as refused:
        helm("template", *RELEASE, f"--set={place}.{name}=1")
    assert name in str(refused.value)


def test_u08_a_program_names_a_misspelt_setting_at_its_start() -> None:
    environment = {
        "TASKACTION_WORKER_COUNT": "8",
        "TASKACTION_OPERATOR_SERVICE_HOST": "10.0.0.1",
        "TASKACTION_OPERATOR_PORT_80_TCP": "tcp://10.0.0.1:80",
        "TASKACTION_PORT_AGENT_BIND": "127.0.0.1:1",
        "TASKACTION_DEAF_AFTER": "90s",
    }
    checked = SettingsReader(environment).check(OperatorConfig, others=("TASKACTION_PORT_AGENT_",))
    said = "TASKACTION_WORKER_COUNT is ignored, because it is no setting; did you mean TASKACTION_WORKERS_COUNT?"
    assert [one for one in checked.warnings if "no setting" in one] == [said]


PLUGIN = """
from taskaction.plugin import AbstractExecutor, Succeeded

class Mine(AbstractExecutor):
    ACTION_NAME = "mine"

    async def execute(self, run):
        return Succeeded()
"""


def test_u09_a_mounted_plugin_is_found(helm: Helm, tmp_path: Path) -> None:
    values = {
        "plugins": [
            {"name": "mine", "configMap": "my-plugin", "modules": ["my_plugin.py"]},
            {"name": "big", "image": "registry.example/plugins:1"},
        ],
        "webhooks": {"enabled": True},
    }
    found = rendered(helm, values_file(tmp_path, values))
    for name in ("ta-taskaction-operator", "ta-taskaction-operator-webhooks"):
        assert environment(found, name)["PYTHONPATH"] == "/opt/plugins/mine:/opt/plugins/big"
        mounts = {one["name"]: one["mountPath"] for one in pod_of(found, name)["containers"][0]["volumeMounts"]}
        assert mounts == {"plugin-mine": "/opt/plugins/mine", "plugin-big": "/opt/plugins/big"}
    volumes = {one["name"]: one for one in pod_of(found)["volumes"]}
    assert volumes["plugin-big"]["image"]["reference"] == "registry.example/plugins:1"
    contents = {
        "my_plugin.py": PLUGIN,
        "entry_points.txt": "[taskaction.executors]\nmine = my_plugin:Mine\n",
        "METADATA": "Metadata-Version: 2.1\nName: my-plugin\nVersion: 1.0.0\n",
    }
    for item in volumes["plugin-mine"]["configMap"]["items"]:
        path = tmp_path / "mounted" / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(contents[item["key"]])
    look = "from taskaction.plugin import Registry; print(Registry.find_installed('mine').ACTION_NAME)"
    env = {"PYTHONPATH": str(tmp_path / "mounted")}
    said = subprocess.run([sys.executable, "-c", look], env=env, capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "mine"


CHOICES: Manifest = {
    "replicaCount": None,
    "strategy": {"type": "Recreate"},
    "revisionHistoryLimit": 2,
    "commonLabels": {"team": "platform"},
    "deploymentAnnotations": {"reload": "yes"},
    "podSecurityContext": {"runAsUser": 1234, "runAsNonRoot": False},
    "securityContext": {"readOnlyRootFilesystem": False},
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["x"]}],
    "dnsPolicy": "None",
    "dnsConfig": {"nameservers": ["10.0.0.2"]},
    "extraContainers": [{"name": "side", "image": "busybox"}],
    "initContainers": [{"name": "before", "image": "busybox"}],
    "extraObjects": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra"}, "data": {"r": "{{ .Release.Name }}"}}
    ],
    "networkPolicy": {"enabled": True},
    "metrics": {
        "serviceMonitor": {
            "enabled": True,
            "scrapeTimeout": "5s",
            "relabelings": [{"action": "drop", "regex": "a"}],
            "metricRelabelings": [{"action": "drop", "regex": "b"}],
        }
    },
    "webhooks": {
        "enabled": True,
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "hosts": ["hooks.example.org"],
            "tls": [{"secretName": "t"}],
        },
        "service": {"extraSpec": {"loadBalancerClass": "x"}},
        "serviceAccount": {"annotations": {"cloud": "id"}},
    },
    "actions": {
        "enabled": True,
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}], "hostnames": ["flyte.example.org"]},
    },
}


def test_u18_what_other_charts_let_people_choose_can_be_chosen(helm: Helm, tmp_path: Path) -> None:
    found = rendered(helm, values_file(tmp_path, CHOICES))
    deployment, pod = one_of(found, "Deployment"), pod_of(found)
    assert "replicas" not in deployment["spec"]
    assert deployment["spec"]["strategy"] == CHOICES["strategy"]
    assert deployment["spec"]["revisionHistoryLimit"] == 2
    assert deployment["metadata"]["annotations"] == {"reload": "yes"}
    assert all(one["metadata"]["labels"]["team"] == "platform" for one in found if one["metadata"]["name"] != "extra")
    assert pod["securityContext"] == {
        "runAsUser": 1234,
        "runAsNonRoot": False,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is False
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert [one["name"] for one in (*pod["containers"], *pod["initContainers"])] == ["operator", "side", "before"]
    assert (pod["hostAliases"], pod["dnsPolicy"], pod["dnsConfig"]) == (
        CHOICES["hostAliases"],
        "None",
        CHOICES["dnsConfig"],
    )
    assert one_of(found, "ConfigMap", "extra")["data"] == {"r": "ta"}
    assert one_of(found, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    hooks = one_of(found, "NetworkPolicy", "ta-taskaction-operator-hooks")["spec"]
    assert hooks["podSelector"]["matchExpressions"][0]["values"] == ["release", "history-migration", "test"]
    (endpoint,) = one_of(found, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["scrapeTimeout"] == "5s"
    assert endpoint["relabelings"][-1] == {"action": "drop", "regex": "a"}
    assert endpoint["metricRelabelings"] == [{"action": "drop", "regex": "b"}]
    inbox = "ta-taskaction-operator-webhooks"
    assert one_of(found, "Ingress", inbox)["spec"]["rules"][0]["host"] == "hooks.example.org"
    assert one_of(found, "Ingress", inbox)["spec"]["ingressClassName"] == "nginx"
    assert one_of(found, "Service", inbox)["spec"]["loadBalancerClass"] == "x"
    assert one_of(found, "ServiceAccount", inbox)["metadata"]["annotations"] == {"cloud": "id"}
    route = one_of(found, "HTTPRoute", "ta-taskaction-operator-actions")["spec"]
    assert route["parentRefs"] == [{"name": "gateway"}]
    assert route["rules"][0]["backendRefs"] == [{"name": "ta-taskaction-operator-actions", "port": 80}]


def test_u18_the_readme_compares_it_with_other_charts() -> None:
    _, _, table = (CHART / "README.md").read_text().partition("## Compared with other charts")
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| ") and "|---" not in line][1:]
    assert len(rows) > 15
    known = (CHART / "values.yaml").read_text()
    for what, here in rows:
        named = re.findall(r"`([\w.]+)`", here)
        assert named or here.strip().startswith("no: ") or "values of these names" in here, what
        assert all(f"{name.rpartition('.')[2]}:" in known for name in named), here
