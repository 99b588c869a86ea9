"""Accounts of processes that tests start: their roles, tokens and kubeconfigs, over a connection that stays open.

Every module of tests starts some; by kubectl each would be four programs.
"""

from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path

import yaml

from cluster.kubectl import Kubectl
from support.api import Body, apply_objects, server_of
from support.cluster import ignore_refusals

RBAC = "/apis/rbac.authorization.k8s.io/v1"


def create_account(kubectl: Kubectl, namespace: str, name: str, items: Iterable[Body], path: Path) -> Path:
    """Create an account with its roles and bindings, and write a kubeconfig with its token."""
    apply_objects(kubectl, items)
    return write_kubeconfig(kubectl, request_token(kubectl, namespace, name), path)


def request_token(kubectl: Kubectl, namespace: str, name: str) -> str:
    """Return a new token of a ServiceAccount; it lasts longer than tests do."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    return str(server_of(kubectl).request("POST", path, {"spec": {"audiences": []}})["status"]["token"])


def write_kubeconfig(kubectl: Kubectl, token: str, path: Path) -> Path:
    """Write a kubeconfig for the cluster of another one, which names no other file and one cluster only."""
    config = yaml.safe_load(Path(kubectl.kubeconfig).read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return path


def delete_cluster_role(kubectl: Kubectl, name: str) -> None:
    """Delete a ClusterRole and its binding of the same name, if they exist."""
    for plural in ("clusterrolebindings", "clusterroles"):
        with ignore_refusals(HTTPStatus.NOT_FOUND):
            server_of(kubectl).request("DELETE", f"{RBAC}/{plural}/{name}")
