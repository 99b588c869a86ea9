"""The key files and kubeconfigs of one control plane, as its programs expect them; decides nothing about trust."""

import base64

import yaml

from cluster.certificates import Authority, KeyPair, signing_pair
from cluster.ports import HOST
from cluster.state import StateFolder

SERVER_NAMES = (HOST, "10.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
ADMIN_KUBECONFIG = "admin.kubeconfig"
CONTROLLERS_KUBECONFIG = "controllers.kubeconfig"
CA, ADMIN = "pki/ca.crt", "pki/admin.pem"


def write_keys(folder: StateFolder, url: str) -> None:
    """Write every file, unless an earlier start has done so."""
    if (folder.path / CA).exists():
        return
    authority, tokens = Authority(), signing_pair()
    server = authority.server("kube-apiserver", SERVER_NAMES)
    admin = authority.client("admin", "system:masters")
    folder.write("pki/apiserver.crt", server.certificate)
    folder.write("pki/apiserver.key", server.key)
    folder.write("pki/sa.pub", tokens.certificate)
    folder.write("pki/sa.key", tokens.key)
    controllers = authority.client("system:kube-controller-manager")
    folder.write(ADMIN, admin.certificate + admin.key)
    folder.write(ADMIN_KUBECONFIG, kubeconfig(url, authority.certificate, admin))
    folder.write(CONTROLLERS_KUBECONFIG, kubeconfig(url, authority.certificate, controllers))
    folder.write(CA, authority.certificate)  # last: it marks the set as complete


def kubeconfig(url: str, authority: bytes, user: KeyPair) -> str:
    """Give a kubeconfig that refers to no other file."""
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
    """Give the base64 form that kubeconfigs use."""
    return base64.b64encode(data).decode()
