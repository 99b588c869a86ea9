"""The ServiceAccount whose rights a task uses; pure."""

from typing import Any

from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.task.run_pb2 import RunSpec

from taskaction.api.account_use import uses_account
from taskaction.cluster.gateway import Body


def account(template: TaskTemplate, run_spec: RunSpec, inherited: str) -> str:
    """Return the ServiceAccount of a task: its own, its run's or its parent's; empty for the default account."""
    own = template.security_context.run_as.k8s_service_account
    if not own and template.WhichOneof("target") == "k8s_pod":
        own = _text(template.k8s_pod.pod_spec, "serviceAccountName")
    return own or run_spec.security_context.run_as.k8s_service_account or inherited


def account_used(spec: Body) -> str | None:
    """Return the ServiceAccount whose rights a TaskAction with this spec uses, or None if it uses none."""
    executor = spec.get("executor")  # a provider uses the account that its own author may use
    uses = "runAs" in spec or (executor is not None and uses_account(executor, spec.get("parameters") or {}))
    return str((spec.get("runAs") or {}).get("serviceAccountName", "default")) if uses else None


def _text(struct: Any, name: str) -> str:
    return str(struct[name]) if name in struct and isinstance(struct[name], str) else ""
