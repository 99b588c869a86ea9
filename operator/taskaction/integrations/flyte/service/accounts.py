"""The ServiceAccount whose rights a task uses; pure."""

from typing import Any

from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.task.run_pb2 import RunSpec

from taskaction.cluster.gateway import Body

_WITH_AN_ACCOUNT = frozenset({"flow", "flyte", "pod", "job", "resource"})
_WHERE_THEY_SAY = {"globus": "tokens", "http": "auth", "wait": "object"}
"""Executors that act by the rights of the action's account: always, or where they have this parameter. The same as in
the admission policy ``rights.taskaction.dev``."""


def account(template: TaskTemplate, run_spec: RunSpec, inherited: str) -> str:
    """Return the ServiceAccount of a task: its own, its run's or its parent's; empty for the default account."""
    own = template.security_context.run_as.k8s_service_account
    if not own and template.WhichOneof("target") == "k8s_pod":
        own = _text(template.k8s_pod.pod_spec, "serviceAccountName")
    return own or run_spec.security_context.run_as.k8s_service_account or inherited


def account_used(spec: Body) -> str | None:
    """Return the ServiceAccount whose rights a TaskAction with this spec uses, or None if it uses none."""
    executor, parameters = spec.get("executor", ""), spec.get("parameters") or {}
    said = _WHERE_THEY_SAY.get(executor)
    uses = "runAs" in spec or executor in _WITH_AN_ACCOUNT or (said is not None and said in parameters)
    return str((spec.get("runAs") or {}).get("serviceAccountName", "default")) if uses else None


def _text(struct: Any, name: str) -> str:
    return str(struct[name]) if name in struct and isinstance(struct[name], str) else ""
