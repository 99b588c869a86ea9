"""Whatever is switched on and off, and whatever it is called: a real API server takes it, and releases get along."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from chart.helm import CHART, Helm, HelmError
from cluster.clusters import Cluster
from support.api import apply_objects
from support.cluster import new_namespace
from support.rendered import read_manifests

COMPONENTS = {
    "operator": (),
    "webhooks": ("webhooks.url=https://hooks.example.org", "webhooks.keySecret=key"),
    "actions": ("actions.namespace=default", "actions.tls.secret=cert"),
    "history.serve": ("history.url=postgresql://user@host:5432/db",),
    "console": (),
    "portAgent": ("portAgent.installationId=a", "portAgent.namespace=default", "portAgent.credentialsSecret=port"),
}
PODS = (
    '--set-json=imagePullSecrets=[{"name": "pull"}]',
    '--set-json=extraEnv=[{"name": "A", "value": "b"}]',
    '--set-json=tolerations=[{"key": "a", "operator": "Exists"}]',
    '--set-json=affinity={"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}',
    '--set-json=extraVolumes=[{"name": "ca", "configMap": {"name": "ca"}}]',
    '--set-json=extraVolumeMounts=[{"name": "ca", "mountPath": "/etc/ca"}]',
    "--set=nodeSelector.disk=ssd",
    "--set=priorityClassName=system-cluster-critical",
    "--set=podLabels.team=a",
    "--set=podAnnotations.note=b",
    "--set=serviceAccount.annotations.role=c",
    "--set=serviceAccount.name=own",
    f"--set=image.digest=sha256:{'0' * 64}",
    "--set=replicaCount=3",
    "--set=networkPolicy.enabled=true",
    "--set=metrics.dashboard.enabled=true",
)
LONG = "a" * 53
NAMES = {
    "a long release": (LONG, ()),
    "a release that is called as the chart": ("taskaction-operator", ()),
    "a long name of one's own": ("ta", (f"--set=fullnameOverride={LONG}",)),
    "a long part of the name": ("ta", (f"--set=nameOverride={LONG}",)),
    "a name that would end in a hyphen": ("ta", (f"--set=fullnameOverride={'a' * 51}-b",)),
}
Manifest = dict[str, Any]


def switched(on: tuple[bool, ...]) -> tuple[str, ...]:
    said = [f"--set={name}.enabled={str(chosen).lower()}" for name, chosen in zip(COMPONENTS, on, strict=True)]
    needed = [
        f"--set={value}" for name, chosen in zip(COMPONENTS, on, strict=True) if chosen for value in COMPONENTS[name]
    ]
    return (*said, *needed)


CHOICES = list(product((True, False), repeat=len(COMPONENTS)))


def switched_on(on: tuple[bool, ...]) -> str:
    return "+".join(name for name, chosen in zip(COMPONENTS, on, strict=True) if chosen) or "nothing"


ALL = switched((True,) * len(COMPONENTS))


@pytest.fixture(scope="module")
def helm(crds: Cluster) -> Helm:
    """Helm for the session's cluster, which has the CRDs."""
    return Helm.built(crds.kubeconfig)


def taken(helm: Helm, cluster: Cluster, release: str, *options: str) -> list[Manifest]:
    """Give what is rendered, when the API server has found nothing wrong with it."""
    text = helm("template", release, str(CHART), "--namespace=default", "--skip-tests", "--no-hooks", *options)
    found = read_manifests(text)
    apply_objects(cluster.kubectl, found, "--dry-run=server")
    return found


@pytest.mark.parametrize("on", CHOICES, ids=switched_on)
def test_every_choice_of_components_is_taken(helm: Helm, crds: Cluster, on: tuple[bool, ...]) -> None:
    found = taken(helm, crds, "ta", *switched(on), "--set=crds.enabled=false")
    assert len([one for one in found if one["kind"] == "Deployment"]) == sum(on)
    for one in found:
        told = one["metadata"]["labels"]
        assert told["app.kubernetes.io/instance"] == "ta"
        assert told["app.kubernetes.io/managed-by"] == "Helm"
        assert {"app.kubernetes.io/name", "app.kubernetes.io/version", "helm.sh/chart"} <= set(told)


@pytest.mark.parametrize(("release", "options"), NAMES.values(), ids=NAMES)
def test_every_name_is_taken(helm: Helm, crds: Cluster, release: str, options: tuple[str, ...]) -> None:
    found = taken(helm, crds, release, *ALL, *options, "--set=crds.enabled=false")
    names = [(one["kind"], one["metadata"]["name"], one["metadata"].get("namespace")) for one in found]
    assert len(names) == len(set(names))


def test_all_that_pods_may_be_told_is_taken(helm: Helm, crds: Cluster) -> None:
    found = taken(helm, crds, "ta", *ALL, *PODS)
    for one in found:
        if one["kind"] == "Deployment":
            (container,) = one["spec"]["template"]["spec"]["containers"]
            assert container["image"] == f"taskaction-operator@sha256:{'0' * 64}"


@pytest.mark.parametrize(
    "value", ["fullnameOverride=A", "nameOverride=-", "image.digest=sha256:1", f"fullnameOverride={LONG}{LONG}"]
)
def test_a_name_that_cannot_be_is_refused(helm: Helm, value: str) -> None:
    with pytest.raises(HelmError, match=value.partition("=")[0].rpartition(".")[2]):
        helm("template", "ta", str(CHART), f"--set={value}")


@pytest.fixture
def homes(crds: Cluster) -> Iterator[tuple[str, str]]:
    """Two namespaces for releases."""
    with new_namespace(crds, "ops") as first, new_namespace(crds, "ops") as second:
        yield first, second


def test_several_releases_get_along(helm: Helm, crds: Cluster, homes: tuple[str, str]) -> None:
    once = ("--set=crds.enabled=false", "--set=admissionPolicies.enabled=false")
    releases = [("ta", homes[0]), ("tb", homes[0]), ("ta", homes[1])]
    for release, home in releases:
        served = f"--set=watchNamespaces={{{home}}}"
        helm(
            "install",
            release,
            str(CHART),
            f"--namespace={home}",
            *once,
            served,
            *switched(tuple(name in {"operator", "webhooks"} for name in COMPONENTS)),
        )
    for release, home in releases:
        helm("uninstall", release, f"--namespace={home}", "--no-hooks")
    left = crds.kubectl(
        "get", "clusterroles,clusterrolebindings", "-o", "name", "-l", "app.kubernetes.io/managed-by=Helm"
    )
    assert not any(home in name for home in homes for name in left.splitlines())
