"""Permissions that the operator uses under its own account: the list from which the chart's roles are generated.

Everything else is done by impersonating an action's account. Imports nothing but constants.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from taskaction.core.constants import GROUP


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


RIGHTS = (
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("taskactions",),
        verbs=("get", "list", "watch", "patch", "delete"),
        why="watch, sweep, ownerReferences, finalizers, TTL",
    ),
    Right(
        scope=Scope.SERVED, group=GROUP, resources=("taskactions/status",), verbs=("update",), why="status of actions"
    ),
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
        resources=("actionflows", "actionschedules"),
        verbs=("get", "list", "watch"),
        why="flows and schedules",
    ),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("actionflows/status", "actionschedules/status"),
        verbs=("update",),
        why="the condition `Valid` of flows; the condition `Ready` and the times of schedules",
    ),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("actionflowruns",),
        verbs=("get", "list", "watch", "create", "patch", "delete"),
        why="flow runs, also those that other runs and schedules create; ownerReferences, TTL",
    ),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("actionflowruns/status",),
        verbs=("update",),
        why="status of runs",
    ),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("taskactions",),
        verbs=("create", "abort", "signal"),
        why="actions of runs and schedules without an account; aborts and signals that runs send to their actions",
    ),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("taskactions", "actionflowruns"),
        verbs=("adopt",),
        why="sets the annotation `taskaction.dev/origin`, by which runs recognize the actions that they created",
    ),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("actionevents",),
        verbs=("get", "list", "watch", "delete"),
        why="events about actions, until an action has taken them",
    ),
    Right(
        scope=Scope.SERVED,
        group="",
        resources=("pods",),
        verbs=("list", "watch"),
        why="pods that actions created, by label",
    ),
    Right(
        scope=Scope.SERVED,
        group="batch",
        resources=("jobs",),
        verbs=("list", "watch"),
        why="Jobs that actions created, by label",
    ),
    Right(
        scope=Scope.SERVED,
        group="",
        resources=("events",),
        verbs=("create", "list"),
        why="Events about actions and runs; warnings about pods and Jobs that do not start",
    ),
    Right(
        scope=Scope.SERVED,
        group=GROUP,
        resources=("actionevents",),
        verbs=("create",),
        why="reports of executors outside of a call",
    ),
    Right(
        scope=Scope.SERVED,
        group="",
        resources=("serviceaccounts",),
        verbs=("get",),
        why="tells an account that does not exist from one that lacks a right",
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
        why="shards and membership of replicas",
    ),
    Right(
        scope=Scope.ACCOUNTS,
        group="",
        resources=("serviceaccounts",),
        verbs=("impersonate",),
        why="all access as the action's account: pods, Jobs, Secrets and other objects",
    ),
    Right(
        scope=Scope.PORT_AGENT,
        group=GROUP,
        resources=("taskactions",),
        verbs=("get", "list", "create", "patch", "delete", "adopt"),
        why="one action for each run, held until its end is reported to Port; runs that other agents own",
    ),
    Right(
        scope=Scope.PORT_AGENT,
        group=GROUP,
        resources=("actionproviders",),
        verbs=("get", "use"),
        why="the provider with the name of a run's type",
    ),
    Right(
        scope=Scope.PORT_AGENT,
        group="coordination.k8s.io",
        resources=("leases",),
        verbs=("get", "create", "update"),
        why="leader election among several agents",
    ),
    Right(
        scope=Scope.WEBHOOKS,
        group=GROUP,
        resources=("actionevents",),
        verbs=("list", "create"),
        why="requests, and the number of pending ones",
    ),
    Right(
        scope=Scope.WEBHOOKS,
        group=GROUP,
        resources=("actionproviders",),
        verbs=("list",),
        why="providers that accept webhooks",
    ),
    Right(
        scope=Scope.WEBHOOKS_CLUSTER,
        group=GROUP,
        resources=("clusteractionproviders",),
        verbs=("list",),
        why="providers that accept webhooks",
    ),
    Right(
        scope=Scope.ACTIONS,
        group=GROUP,
        resources=("taskactions",),
        verbs=("get", "list", "watch", "create", "patch", "abort", "signal", "adopt", "stamp"),
        why="one action for each call, with the mark of its origin, its state, and who aborts or answers it",
    ),
    Right(
        scope=Scope.ACTIONS,
        group=GROUP,
        resources=("actionevents",),
        verbs=("list", "watch", "create"),
        why="reports and traces of clients about actions",
    ),
    Right(
        scope=Scope.ACTIONS,
        group=GROUP,
        resources=("actionproviders",),
        verbs=("use",),
        why="actions of queues; callers need the verb, too",
    ),
    Right(
        scope=Scope.ACTIONS,
        group="",
        resources=("serviceaccounts",),
        verbs=("impersonate",),
        why="checks that callers may impersonate the account of an action",
    ),
    Right(
        scope=Scope.ACTIONS_CLUSTER,
        group="authentication.k8s.io",
        resources=("tokenreviews",),
        verbs=("create",),
        why="authentication of callers",
    ),
    Right(
        scope=Scope.ACTIONS_CLUSTER,
        group="authorization.k8s.io",
        resources=("subjectaccessreviews",),
        verbs=("create",),
        why="authorization of callers",
    ),
    Right(
        scope=Scope.HISTORY_CLUSTER,
        group="authentication.k8s.io",
        resources=("tokenreviews",),
        verbs=("create",),
        why="authentication of callers",
    ),
    Right(
        scope=Scope.HISTORY_CLUSTER,
        group="authorization.k8s.io",
        resources=("subjectaccessreviews",),
        verbs=("create",),
        why="authorization of callers",
    ),
    Right(
        scope=Scope.CONSOLE,
        group=GROUP,
        resources=("taskactions", "actionflowruns"),
        verbs=("list", "watch"),
        why="rows of lists, each shown to whom may list it; all else is read and done with the rights of the user",
    ),
    Right(
        scope=Scope.RELEASE,
        group=GROUP,
        resources=("taskactions",),
        verbs=("list", "patch", "abort"),
        why="aborts unfinished actions and removes their finalizers",
    ),
    Right(
        scope=Scope.RELEASE,
        group=GROUP,
        resources=("actionflowruns",),
        verbs=("list", "patch", "abort"),
        why="aborts unfinished runs, so that they start no more actions",
    ),
    Right(
        scope=Scope.RELEASE_OWN,
        group="apps",
        resources=("deployments/scale",),
        verbs=("patch",),
        why="stops the operator, so that it gives its Leases back",
    ),
    Right(
        scope=Scope.RELEASE_OWN,
        group="coordination.k8s.io",
        resources=("leases",),
        verbs=("list", "delete"),
        why="removes the Leases",
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
        resources=(
            "taskactions",
            "actionproviders",
            "clusteractionproviders",
            "actionflows",
            "actionflowruns",
            "actionschedules",
        ),
        verbs=("get", "list", "watch"),
        why="objects and their state",
    ),
    Right(
        scope=Scope.EDITOR,
        group=GROUP,
        resources=("taskactions", "actionflows", "actionflowruns", "actionschedules"),
        verbs=("create", "update", "patch", "delete", "deletecollection"),
        why="runs actions and flows, at once or at times",
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
        why="providers of the namespace; ClusterActionProviders need a separate grant",
    ),
    Right(
        scope=Scope.EDITOR,
        group=GROUP,
        resources=("actionevents",),
        verbs=("get", "list", "watch"),
        why="events about actions; they may contain sensitive data of senders",
    ),
    Right(
        scope=Scope.APPROVER,
        group=GROUP,
        resources=("taskactions", "actionflowruns"),
        verbs=("get", "list", "watch", "patch", "signal"),
        why="answers approvals by setting `spec.signal`",
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
        why="reports about actions by hand, and events that no action takes",
    ),
)
"""All permissions, in the order of the tables in docs/install.md and docs/port-agent.md."""


def role_rules(scope: Scope) -> list[dict[str, Any]]:
    """Return the rules of the role for one scope."""
    return [right.rule() for right in RIGHTS if right.scope is scope]
