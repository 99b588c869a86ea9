"""A release of whoever has rights in some namespaces only: nothing of it belongs to the cluster, and it works."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chart.helm import CHART, Helm, HelmError
from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.ports import HOST, free_port
from local import account
from local.operator_process import Operator
from support.actions import action, create, get, reason, wait_for_phase
from support.cluster import new_namespace
from support.rendered import read_manifests

Manifest = dict[str, Any]
CLUSTER_WIDE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "PriorityLevelConfiguration",
    "FlowSchema",
}


@pytest.fixture(scope="module")
def helm() -> Helm:
    """Helm without a cluster."""
    return Helm.built()


def rendered(helm: Helm, home: str, team: str, *options: str) -> list[Manifest]:
    within = (
        "--set=namespacedOnly=true",
        f"--set=watchNamespaces={{{team}}}",
        f"--set=accounts.namespaces={{{team}}}",
        f"--set=fullnameOverride={account.NAME}",
        "--set=webhooks.enabled=true",
    )
    text = helm("template", "ta", str(CHART), f"--namespace={home}", *within, *options)
    return read_manifests(text)


def environment(manifests: list[Manifest], name: str) -> dict[str, str]:
    (found,) = (one for one in manifests if one["kind"] == "Deployment" and one["metadata"]["name"] == name)
    return {
        one["name"]: one["value"] for one in found["spec"]["template"]["spec"]["containers"][0]["env"] if "value" in one
    }


def test_nothing_of_it_belongs_to_the_cluster(helm: Helm) -> None:
    found = rendered(helm, "ops", "team")
    assert {one["kind"] for one in found} & CLUSTER_WIDE == set()
    assert {one["metadata"]["namespace"] for one in found} == {"ops", "team"}
    assert {one["roleRef"]["kind"] for one in found if one["kind"] == "RoleBinding"} == {"Role"}
    for name in account.NAME, f"{account.NAME}-webhooks":
        assert environment(found, name)["TASKACTION_CLUSTER_PROVIDERS"] == "false"


@pytest.mark.parametrize("value", ["accounts.everywhere", "flowControl.enabled", "actions.enabled"])
def test_what_cannot_be_had_within_namespaces_is_refused_by_name(helm: Helm, value: str) -> None:
    with pytest.raises(HelmError, match=f"{value}: .*which namespacedOnly rules out"):
        rendered(helm, "ops", "team", f"--set={value}=true")


def test_without_the_names_of_namespaces_it_is_refused(helm: Helm) -> None:
    with pytest.raises(HelmError, match="watchNamespaces"):
        helm("template", "ta", str(CHART), "--set=namespacedOnly=true")


@pytest.fixture
def home(crds: Cluster) -> Iterator[str]:
    """The namespace of the release."""
    with new_namespace(crds, "ops") as name:
        yield name


def test_it_works_with_its_roles_alone(
    helm: Helm, crds: Cluster, kubectl: Kubectl, namespace: str, home: str, tmp_path: Path
) -> None:
    found = rendered(helm, home, namespace)
    rights = [one for one in found if one["kind"] in {"ServiceAccount", "Role", "RoleBinding"}]
    crds.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": rights}))
    own = environment(found, account.NAME) | {
        "TASKACTION_BIND": f"{HOST}:{free_port()}",
        "TASKACTION_NAMESPACE": home,
    }
    kubeconfig = account.renew(crds.kubectl, home, tmp_path / "kubeconfig")
    operator = Operator.start(kubeconfig, log=tmp_path / "operator.log", tied=True, settings=own)
    try:
        asking = action("asking", providerRef={"kind": "ClusterActionProvider", "name": "any"})
        kubectl("create", "role", "maker", "--verb=create,get,list,delete", "--resource=configmaps")
        kubectl("create", "rolebinding", "maker", "--role=maker", f"--serviceaccount={namespace}:default")
        made = {"manifest": {"apiVersion": "v1", "kind": "ConfigMap", "data": {}}, "success": []}
        create(kubectl, [action("plain"), asking, action("acting", "resource", made)])
        wait_for_phase(kubectl, "plain", "Succeeded")
        wait_for_phase(kubectl, "acting", "Succeeded")
        wait_for_phase(kubectl, "asking", "WaitingForResources")
        told = get(kubectl, "asking")
        assert reason(told) == "ProviderNotFound"
        assert "the operator does not watch ClusterActionProvider" in told["status"]["message"]
        with urllib.request.urlopen(f"{operator.url}/metrics", timeout=5) as answer:
            refused = [line for line in answer.read().decode().splitlines() if 'code="403"' in line]
        assert refused == []
    finally:
        operator.stop()
