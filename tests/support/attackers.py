"""What attackers have in tests of isolation: accounts with the rights that they name and no others, and a server."""

from http.server import BaseHTTPRequestHandler
from typing import Any

from cluster.kubectl import Kubectl
from support.api import create_objects
from support.people import GROUP, RBAC, wait_for_right
from support.serving import LoopbackServer

Body = dict[str, Any]
SECRETS: Body = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
CREATOR = tuple(
    {"apiGroups": [GROUP], "resources": ["taskactions"], "verbs": [verb]} for verb in ("create", "get", "delete")
)
"""The rights of somebody who may make actions, and nothing else."""
OFFERER = (
    *CREATOR,
    *({"apiGroups": [GROUP], "resources": ["actionproviders"], "verbs": [v]} for v in ("create", "patch")),
)
"""The rights of somebody who may also offer providers in the namespace."""


def make_account(kubectl: Kubectl, name: str, *rules: Body) -> str:
    """Make a ServiceAccount with these rights in the namespace, and return its user name."""
    items: list[Body] = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}]
    user = f"system:serviceaccount:{kubectl.namespace}:{name}"
    create_objects(kubectl, [*(items if name != "default" else ()), *_binding(str(kubectl.namespace), name, rules)])
    for rule in rules:
        wait_for_right(kubectl, user, rule)
    return user


def _binding(namespace: str, name: str, rules: tuple[Body, ...]) -> list[Body]:
    if not rules:
        return []
    envelope = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": f"rights-of-{name}"}}
    ref = {"apiGroup": RBAC, "kind": "Role", "name": f"rights-of-{name}"}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return [
        {**envelope, "kind": "Role", "rules": list(rules)},
        {**envelope, "kind": "RoleBinding", "subjects": [subject], "roleRef": ref},
    ]


def secret(name: str, text: str) -> Body:
    """Return a Secret with `text` as its `key`."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"key": text}}


class Listener(LoopbackServer):
    """A server of the attacker's, which keeps all that is sent to it."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.received: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.received.append(f"{self.path}\n{self.headers}\n{content.decode()}")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
        pass
