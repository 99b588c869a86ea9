"""The key files and kubeconfigs of one control plane, as its programs expect them; decides nothing about trust."""

import base64
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import yaml

from cluster.certificates import ORGANIZATION, Authority, KeyPair
from cluster.ports import HOST
from cluster.state import StateFolder

SERVER_NAMES = (HOST, "10.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
ADMIN_KUBECONFIG = "admin.kubeconfig"
CA, ADMIN = "pki/ca.crt", "pki/admin.pem"
SERVERS = MappingProxyType({"apiserver": SERVER_NAMES})
"""What a server is called by, for each that shows a certificate."""
USERS = MappingProxyType(
    {
        "controllers": ("system:kube-controller-manager", ORGANIZATION),
        "scheduler": ("system:kube-scheduler", ORGANIZATION),
    }
)
"""The user and group that each program's kubeconfig stands for."""


def write_keys(
    folder: StateFolder,
    url: str,
    *,
    servers: Mapping[str, Sequence[str]] = SERVERS,
    users: Mapping[str, tuple[str, str]] = USERS,
) -> None:
    """Write every file, unless an earlier start has done so."""
    if (folder.path / CA).exists():
        return
    authority = Authority()
    for name, called in servers.items():
        server = authority.server(name, called)
        folder.write(f"pki/{name}.crt", server.certificate)
        folder.write(f"pki/{name}.key", server.key)
    folder.write("pki/sa.key", authority.client("tokens").key)  # signs and verifies tokens of ServiceAccounts
    admin = authority.client("admin", "system:masters")
    folder.write(ADMIN, admin.certificate + admin.key)
    folder.write(ADMIN_KUBECONFIG, kubeconfig(url, authority.certificate, admin))
    for name, (user, group) in users.items():
        folder.write(f"{name}.kubeconfig", kubeconfig(url, authority.certificate, authority.client(user, group)))
    folder.write(CA, authority.certificate)  # last: it marks the set as complete


def kubeconfig(url: str, authority: bytes, user: KeyPair) -> str:
    """Return a kubeconfig that refers to no other file."""
    cluster = {"server": url, "certificate-authority-data": encoded(authority)}
    credentials = {"client-certificate-data": encoded(user.certificate), "client-key-data": encoded(user.key)}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": cluster}],
            "users": [{"name": "local", "user": credentials}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": "local"}}],
            "current-context": "local",
        },
        sort_keys=False,
    )


def encoded(data: bytes) -> str:
    """Return the base64 form that kubeconfigs use."""
    return base64.b64encode(data).decode()
