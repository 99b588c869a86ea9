"""A permission, and the roles that a permission can be part of; ``rbac`` lists the permissions."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """Where a permission is needed; each scope has a role of its own."""

    CLUSTER = "cluster"
    """In the whole cluster, because the objects are cluster-scoped."""
    SERVED = "served"
    """In the served namespaces; in the whole cluster if all namespaces are served."""
    OWN = "own"
    """In the operator's own namespace."""
    ACCOUNTS = "accounts"
    """In the namespaces whose actions may use ServiceAccounts."""
    PORT_AGENT = "port-agent"
    """In the namespace of a Port agent's actions, by the agent's own account."""
    WEBHOOKS = "webhooks"
    """In the namespaces whose webhooks are received, by the inbox's own account."""
    WEBHOOKS_CLUSTER = "webhooks-cluster"
    """In the whole cluster, by the inbox's own account."""
    ACTIONS = "actions"
    """In the namespaces of Flyte's actions, by the Actions service's own account."""
    ACTIONS_CLUSTER = "actions-cluster"
    """In the whole cluster, by the Actions service's own account."""
    HISTORY_CLUSTER = "history-cluster"
    """In the whole cluster, by the history service's own account."""
    CONSOLE = "console"
    """In the namespaces whose actions the console shows, by its own account."""
    RELEASE = "release"
    """In the served namespaces, while the operator is being uninstalled."""
    RELEASE_OWN = "release-own"
    """In the operator's own namespace, while the operator is being uninstalled."""
    TEST = "test"
    """In the namespace of the action that `helm test` runs."""
    VIEWER = "viewer"
    """For people who view objects; part of the built-in role `view`."""
    EDITOR = "editor"
    """For people who run actions; part of the built-in role `edit`."""
    APPROVER = "approver"
    """For people who answer approvals; part of the built-in role `admin`, and can be bound on its own."""
    ADMIN = "admin"
    """For people who offer actions in their namespace; part of the built-in role `admin`."""


PEOPLE = (Scope.VIEWER, Scope.EDITOR, Scope.APPROVER, Scope.ADMIN)
"""Scopes of people, not of programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """Verbs on resources, and what they are needed for."""

    scope: Scope
    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str

    def rule(self) -> dict[str, list[str]]:
        """Return the permission as a rule of a Role."""
        return {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs)}
