"""People with few rights in one namespace, who are impersonated; their rights end with the namespace."""

from functools import partial
from typing import Any

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import API_VERSION
from support.api import create_object, create_objects

GROUP = API_VERSION.partition("/")[0]
RBAC = "rbac.authorization.k8s.io"
EFFECTIVE_SECONDS = 30

Body = dict[str, Any]


def right(verb: str, resource: str, *names: str) -> Body:
    """Give an RBAC rule; without names it holds for all objects."""
    group = "" if resource == "serviceaccounts" else GROUP
    rule: Body = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
    return rule | ({"resourceNames": list(names)} if names else {})


WRITE = tuple(right(verb, "taskactions") for verb in ("create", "get", "update", "patch"))
"""What every author of actions has."""


def invite(kubectl: Kubectl, people: dict[str, tuple[Body, ...]]) -> None:
    """Give each person the right to write actions and some more, and return when they have it."""
    assert kubectl.namespace is not None
    create_objects(kubectl, [item for name in people for item in binding(name, people[name])])
    for name, rules in people.items():
        for rule in (*WRITE, *rules):
            wait_for_right(kubectl, name, rule)


def wait_for_right(kubectl: Kubectl, name: str, rule: Body) -> None:
    """Return when the API server knows of a right that was granted."""
    what = f"{name} to have {rule}"
    wait_until(partial(has_right, kubectl, name, rule), timeout=EFFECTIVE_SECONDS, what=what, every=0.1)


def binding(name: str, rules: tuple[Body, ...]) -> list[Body]:
    """Give a Role and its RoleBinding; rules on cluster-wide kinds are given by `cluster_binding`."""
    subject = {"apiGroup": RBAC, "kind": "User", "name": name}
    ref = {"apiGroup": RBAC, "kind": "Role", "name": name}
    envelope = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": name}}
    return [
        {**envelope, "kind": "Role", "rules": [*WRITE, *rules]},
        {**envelope, "kind": "RoleBinding", "subjects": [subject], "roleRef": ref},
    ]


def cluster_binding(name: str, user: str, *rules: Body) -> list[Body]:
    """Give a ClusterRole and its ClusterRoleBinding; whoever creates them deletes them."""
    subject = {"apiGroup": RBAC, "kind": "User", "name": user}
    ref = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
    envelope = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": name}}
    return [
        {**envelope, "kind": "ClusterRole", "rules": list(rules)},
        {**envelope, "kind": "ClusterRoleBinding", "subjects": [subject], "roleRef": ref},
    ]


def wait_for_default_account(kubectl: Kubectl, group: str, resource: str) -> None:
    """Return when the default account of the namespace may create objects of a kind: roles act a moment later."""
    rule = {"apiGroups": [group], "resources": [resource], "verbs": ["create"]}
    wait_for_right(kubectl, f"system:serviceaccount:{kubectl.namespace}:default", rule)


def has_right(kubectl: Kubectl, name: str, rule: Body) -> bool:
    """Whether somebody has a right."""
    attributes = {
        "namespace": kubectl.namespace,
        "verb": rule["verbs"][0],
        "group": rule["apiGroups"][0],
        "resource": rule["resources"][0],
        "name": next(iter(rule.get("resourceNames", ())), ""),
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": attributes},
    }
    return bool(create_object(kubectl, review, f"--as={name}")["status"]["allowed"])
