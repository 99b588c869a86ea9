"""What the operator asks the API server for in its own name: the one list of which the chart's roles are made.

Whatever is not here is done by impersonation of an action's account, or not at all. Imports nothing but names.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from taskaction.core.constants import GROUP


class Scope(StrEnum):
    """Where a right is needed; each has a role of its own."""

    CLUSTER = "cluster"
    """In the whole cluster, because the objects belong to no namespace."""
    SERVED = "served"
    """In the namespaces whose actions are run; in the whole cluster, where these are all."""
    OWN = "own"
    """In the operator's own namespace."""
    ACCOUNTS = "accounts"
    """In the namespaces that let their actions use ServiceAccounts."""
    PORT_AGENT = "port-agent"
    """In the namespace of a Port agent's actions, by the agent's own account."""
    WEBHOOKS = "webhooks"
    """In the namespaces whose webhooks are taken in, by the inbox's own account."""
    WEBHOOKS_CLUSTER = "webhooks-cluster"
    """In the whole cluster, by the inbox's own account."""
    ACTIONS = "actions"
    """In the namespaces of Flyte's actions, by the Actions service's own account."""
    ACTIONS_CLUSTER = "actions-cluster"
    """In the whole cluster, by the Actions service's own account."""
    RELEASE = "release"
    """In the namespaces whose actions are run, while the operator is being uninstalled."""
    TEST = "test"
    """In the namespace of the action that `helm test` runs."""
    VIEWER = "viewer"
    """Of people who look; part of the built-in role `view`."""
    EDITOR = "editor"
    """Of people who run actions; part of the built-in role `edit`."""
    APPROVER = "approver"
    """Of people who answer approvals; part of the built-in role `admin`, and to be bound on its own."""
    ADMIN = "admin"
    """Of people who offer actions to others in their namespace; part of the built-in role `admin`."""


PEOPLE = (Scope.VIEWER, Scope.EDITOR, Scope.APPROVER, Scope.ADMIN)
"""The scopes that are no program's but people's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """Some verbs on some resources, and what they are needed for."""

    scope: Scope
    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str

    def rule(self) -> dict[str, list[str]]:
        """Give it as a rule of a Role."""
        return {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs)}


RIGHTS = (
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("taskactions",),
        verbs=("get", "list", "watch", "patch", "delete"),
        why="the watch, the sweep, ownerReference and finalizer, TTL",
    ),
    Right(scope=Scope.SERVED, group=GROUP, resources=("taskactions/status",), verbs=("update",), why="the status"),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("actionproviders",),
        verbs=("get", "list", "watch"),
        why="providers",
    ),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("actionproviders/status",),
        verbs=("update",),
        why="their condition `Ready`",
    ),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("actionflows",),
        verbs=("get", "list", "watch"),
        why="flows",
    ),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("actionflows/status",),
        verbs=("update",),
        why="their condition `Valid`",
    ),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("actionflowruns",),
        verbs=("get", "list", "watch", "create", "patch", "delete"),
        why="runs of flows, those that other runs start among them; ownerReference, TTL",
    ),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("actionflowruns/status",),
        verbs=("update",),
        why="the status of runs",
    ),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("taskactions",),
        verbs=("create", "abort", "signal"),
        why="the actions of runs that name no account, and what runs tell their actions",
    ),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("actionevents",),
        verbs=("list", "watch", "delete"),
        why="what happened to actions outside, until an action has taken it",
    ),
    Right(
        scope=Scope.SERVED,
        group="",
        resources=("pods",),
        verbs=("list", "watch"),
        why="the pods that actions have created, by their label",
    ),
    Right(
        scope=Scope.SERVED,
        group="batch",
        resources=("jobs",),
        verbs=("list", "watch"),
        why="the Jobs that actions have created, by their label",
    ),
    Right(scope=Scope.SERVED, group="", resources=("events",), verbs=("create",), why="Events about actions and runs"),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("actionevents",),
        verbs=("create",),
        why="what executors report of an action outside of a call",
    ),
    Right(
        scope=Scope.CLUSTER,
        group=GROUP,
        resources=("clusteractionproviders",),
        verbs=("get", "list", "watch"),
        why="providers",
    ),
    Right(
        scope=Scope.CLUSTER,
        group=GROUP,
        resources=("clusteractionproviders/status",),
        verbs=("update",),
        why="their condition `Ready`",
    ),
    Right(
        scope=Scope.OWN,
        group="coordination.k8s.io",
        resources=("leases",),
        verbs=("get", "list", "create", "update", "delete"),
        why="shards, and which replicas there are",
    ),
    Right(
        scope=Scope.ACCOUNTS,
        group="",
        resources=("serviceaccounts",),
        verbs=("impersonate",),
        why="everything that is done as the action's account: pods, Jobs, Secrets, any other object",
    ),
    Right(
        scope=Scope.PORT_AGENT,
        group=GROUP,
        resources=("taskactions",),
        verbs=("get", "list", "create", "patch", "delete"),
        why="one action for each run; what Port was told; runs that are somebody else's",
    ),
    Right(
        scope=Scope.PORT_AGENT,
        group=GROUP,
        resources=("actionproviders",),
        verbs=("get", "use"),
        why="the provider that bears the name of a run's type",
    ),
    Right(
        scope=Scope.PORT_AGENT,
        group="coordination.k8s.io",
        resources=("leases",),
        verbs=("get", "create", "update"),
        why="which of several agents works",
    ),
    Right(
        scope=Scope.WEBHOOKS,
        group=GROUP,
        resources=("actionevents",),
        verbs=("list", "create"),
        why="requests, and how many of them wait",
    ),
    Right(
        scope=Scope.WEBHOOKS,
        group=GROUP,
        resources=("actionproviders",),
        verbs=("list",),
        why="which providers take webhooks",
    ),
    Right(
        scope=Scope.WEBHOOKS_CLUSTER,
        group=GROUP,
        resources=("clusteractionproviders",),
        verbs=("list",),
        why="which providers take webhooks",
    ),
    Right(
        scope=Scope.ACTIONS,
        group=GROUP,
        resources=("taskactions",),
        verbs=("get", "list", "watch", "create", "patch", "abort", "signal"),
        why="one action for each call, what is known of it, its abort and its signal",
    ),
    Right(
        scope=Scope.ACTIONS,
        group=GROUP,
        resources=("actionevents",),
        verbs=("list", "watch", "create"),
        why="what clients report of an action, and the traces that they have left",
    ),
    Right(
        scope=Scope.ACTIONS,
        group="",
        resources=("serviceaccounts",),
        verbs=("impersonate",),
        why="an action that uses an account is made only by who may impersonate it",
    ),
    Right(
        scope=Scope.ACTIONS_CLUSTER,
        group="authentication.k8s.io",
        resources=("tokenreviews",),
        verbs=("create",),
        why="who calls",
    ),
    Right(
        scope=Scope.ACTIONS_CLUSTER,
        group="authorization.k8s.io",
        resources=("subjectaccessreviews",),
        verbs=("create",),
        why="whether they may",
    ),
    Right(
        scope=Scope.RELEASE,
        group=GROUP,
        resources=("taskactions",),
        verbs=("list", "patch", "abort"),
        why="ends unfinished actions and removes what finalizers are left",
    ),
    Right(
        scope=Scope.RELEASE,
        group=GROUP,
        resources=("actionflowruns",),
        verbs=("list", "patch", "abort"),
        why="ends unfinished runs, so that they start nothing more",
    ),
    Right(
        scope=Scope.TEST,
        group=GROUP,
        resources=("taskactions",),
        verbs=("get", "list", "watch", "create"),
        why="runs one action, which expires soon",
    ),
    Right(
        scope=Scope.VIEWER,
        group=GROUP,
        resources=("taskactions", "actionproviders", "clusteractionproviders", "actionflows", "actionflowruns"),
        verbs=("get", "list", "watch"),
        why="what there is, and how it stands",
    ),
    Right(
        scope=Scope.EDITOR,
        group=GROUP,
        resources=("taskactions", "actionflows", "actionflowruns"),
        verbs=("create", "update", "patch", "delete", "deletecollection"),
        why="runs actions and flows",
    ),
    Right(
        scope=Scope.EDITOR,
        group=GROUP,
        resources=("taskactions", "actionflowruns"),
        verbs=("abort",),
        why="sets `spec.abort`",
    ),
    Right(
        scope=Scope.EDITOR,
        group=GROUP,
        resources=("actionproviders",),
        verbs=("use",),
        why="the providers of the namespace; those of the cluster need a grant of their own",
    ),
    Right(
        scope=Scope.EDITOR,
        group=GROUP,
        resources=("actionevents",),
        verbs=("get", "list", "watch"),
        why="what has come in for an action; may hold what senders would not show to all",
    ),
    Right(
        scope=Scope.APPROVER,
        group=GROUP,
        resources=("taskactions", "actionflowruns"),
        verbs=("get", "list", "watch", "patch", "signal"),
        why="answers approvals: sets `spec.signal`",
    ),
    Right(
        scope=Scope.ADMIN,
        group=GROUP,
        resources=("actionproviders",),
        verbs=("create", "update", "patch", "delete", "deletecollection"),
        why="offers actions to the namespace",
    ),
    Right(
        scope=Scope.ADMIN,
        group=GROUP,
        resources=("actionevents",),
        verbs=("create", "delete", "deletecollection"),
        why="reports of an action by hand, and what nobody takes",
    ),
)
"""Every right; the order is that of the tables in docs/operating.md and docs/port-agent.md."""


def rules(scope: Scope) -> list[dict[str, Any]]:
    """Give the rules of the role for one scope."""
    return [right.rule() for right in RIGHTS if right.scope is scope]
