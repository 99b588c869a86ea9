"""Put the project's CRDs and admission policies into a cluster, or take them out; knows their folders only."""

from functools import partial
from pathlib import Path

import yaml

from cluster.binaries import Say
from cluster.errors import KubectlError
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local import policies

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "crds"
POLICIES = CRDS / "policies"
GROUP = "taskaction.dev"
ESTABLISHED_SECONDS = 60
REMOVED_SECONDS = 120


def install(kubectl: Kubectl, *, say: Say = print) -> None:
    """Apply CRDs and policies, and return when the API server serves the kinds and the policies act."""
    if crds := files(CRDS):
        # Server-side, because a CRD is too large for the annotation of the other way.
        kubectl("apply", "--server-side", "--force-conflicts", *crds)
        limit = f"--timeout={ESTABLISHED_SECONDS}s"
        kubectl("wait", "--for=condition=Established", limit, *crds, timeout=ESTABLISHED_SECONDS + 10)
        # An established kind still answers 429 for a moment, until its storage is ready.
        for path in resources(CRDS):
            wait_until(partial(answers, kubectl, path), timeout=ESTABLISHED_SECONDS, what=f"{path} to be served")
    policies.install(kubectl, POLICIES, say=say)


def remove(kubectl: Kubectl) -> None:
    """Remove what `install` put in, with every object of these kinds."""
    policies.remove(kubectl, POLICIES)
    if crds := files(CRDS):
        kubectl("delete", "--ignore-not-found", *crds, timeout=REMOVED_SECONDS)


def are_installed(kubectl: Kubectl) -> bool:
    """Whether the cluster knows the project's kinds."""
    return f".{GROUP}" in kubectl("get", "crds", "-o", "name")


def answers(kubectl: Kubectl, path: str) -> bool:
    """Whether the API server can list a kind."""
    try:
        kubectl("get", "--raw", f"{path}?limit=1")
    except KubectlError:
        return False
    return True


def resources(folder: Path) -> list[str]:
    """Return the API paths of a folder's CRDs."""
    specs = [yaml.safe_load(path.read_text())["spec"] for path in sorted(folder.glob("*.yaml"))]
    return [
        f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}"
        for spec in specs
        for version in spec["versions"]
        if version["served"]
    ]


def files(folder: Path) -> list[str]:
    """Return a folder's manifests as kubectl's flags."""
    return [f"--filename={path}" for path in sorted(folder.glob("*.yaml"))]
