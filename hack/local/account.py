"""The operator's account and its least role, as the chart grants it; makes no other account, and no right beside it.

So the operator beside a cluster may do what it may do as a pod, and a right that is missing shows at once.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from cluster.kubectl import Kubectl
from local.manifests import ROOT

RIGHTS = ROOT / "charts" / "taskaction-operator" / "files" / "rights"
NAME = "taskaction-operator"
EVERYWHERE = ("cluster", "served", "accounts")
OWN = "own"
TOKEN_LIFE = "8760h"  # noqa: S105 - a time, which the cluster may cut short; `make up` asks for a new token

Manifest = dict[str, Any]


def create(kubectl: Kubectl, namespace: str, path: Path) -> Path:
    """Make the account in the operator's namespace, and write a kubeconfig with its token."""
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests(namespace)})
    kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=content)
    return renew(kubectl, namespace, path)


def renew(kubectl: Kubectl, namespace: str, path: Path) -> Path:
    """Write a kubeconfig with a new token of the account."""
    token = kubectl("create", "token", NAME, f"--namespace={namespace}", f"--duration={TOKEN_LIFE}").strip()
    config = yaml.safe_load(kubectl("config", "view", "--raw", "--minify", "--flatten"))
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return path


def remove(kubectl: Kubectl, namespace: str) -> None:
    """Delete what lies outside of the namespace."""
    name = cluster_name(namespace)
    kubectl("delete", "clusterrolebinding,clusterrole", name, "--ignore-not-found")


def manifests(namespace: str) -> list[Manifest]:
    """Return the account, its roles and their bindings."""
    rules = [rule for name in EVERYWHERE for rule in read(name)]
    everywhere = {"name": cluster_name(namespace)}
    here = {"name": NAME, "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here},
        role("ClusterRole", everywhere, rules),
        binding("ClusterRole", everywhere, namespace),
        role("Role", here, read(OWN)),
        binding("Role", here, namespace),
    ]


def read(name: str) -> list[Manifest]:
    """Return the rules of one of the chart's files."""
    return list(yaml.safe_load((RIGHTS / f"{name}.yaml").read_text()))


def role(kind: str, metadata: Manifest, rules: list[Manifest]) -> Manifest:
    """Return a role."""
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": rules}


def binding(kind: str, metadata: Manifest, namespace: str) -> Manifest:
    """Return the binding of the role with the same name to the account."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": metadata["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
    }


def cluster_name(namespace: str) -> str:
    """Name what belongs to no namespace so that several operators do not share it."""
    return f"{NAME}-{namespace}"
