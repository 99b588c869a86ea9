"""ServiceAccounts with rights of their own in one namespace."""

from typing import Any

from support.people import RBAC

Body = dict[str, Any]


def grant(namespace: str, name: str, *rules: Body) -> list[Body]:
    """Return a ServiceAccount with a Role of its own."""
    metadata = {"name": name, "namespace": namespace}
    ref = {"apiGroup": RBAC, "kind": "Role", "name": name}
    subject = {"kind": "ServiceAccount", **metadata}
    api = f"{RBAC}/v1"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": api, "kind": "Role", "metadata": metadata, "rules": list(rules)},
        {"apiVersion": api, "kind": "RoleBinding", "metadata": metadata, "subjects": [subject], "roleRef": ref},
    ]
