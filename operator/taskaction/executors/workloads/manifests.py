"""From parameters to the objects that are created; pure, and the same for every call of an attempt."""

import copy
import math
from typing import Any

from taskaction.cluster.gateway import Body
from taskaction.core.constants import ACTION_LABEL, API_VERSION, ATTEMPT_LABEL, UID_LABEL
from taskaction.core.names import child_name
from taskaction.executors.workloads.model import JobParameters, PodParameters
from taskaction.plugin.base import Run
from taskaction.plugin.errors import InvalidParametersError

_LABEL_LIMIT = 63
_SAFETY_SECONDS = 60
"""How long after the attempt's deadline Kubernetes itself ends a pod, should no operator be there to do it."""


def labels_of(run: Run) -> dict[str, str]:
    """Give the labels by which an attempt's objects are found, by the operator and by people."""
    found = {
        "app.kubernetes.io/managed-by": "taskaction-operator",
        UID_LABEL: run.uid,
        ATTEMPT_LABEL: str(run.attempt),
    }
    # An action's name may be longer than a label; the uid tells its objects anyway.
    return found | ({ACTION_LABEL: run.name} if len(run.name) <= _LABEL_LIMIT else {})


def owner_of(run: Run) -> Body:
    """Give the ownerReference by which Kubernetes removes an attempt's objects with their action."""
    return {
        "apiVersion": API_VERSION,
        "kind": "TaskAction",
        "name": run.name,
        "uid": run.uid,
        "controller": True,
        # To block the owner's deletion needs a right that the account of an action should not have.
        "blockOwnerDeletion": False,
    }


def owned(body: Body, run: Run, name: str) -> Body:
    """Give ``body`` under its name, with the marks of the attempt."""
    metadata = dict(body.get("metadata") or {})
    metadata |= {
        "name": name,
        "namespace": run.namespace,
        "labels": (metadata.get("labels") or {}) | labels_of(run),
        "ownerReferences": [owner_of(run)],
    }
    return {**body, "metadata": metadata}


def pod_manifest(parameters: PodParameters, run: Run) -> Body:
    """Give the pod of an attempt."""
    return finished_pod(_template(parameters), run, child_name(run.name, run.uid, run.attempt))


def finished_pod(template: Body, run: Run, name: str) -> Body:
    """Give the pod of a template that is complete but for what every attempt's pod has; changes the template.

    Raises:
        InvalidParametersError: it names another account than the action's.
    """
    _finish(template, run)
    if run.deadline is not None:
        left = math.ceil((run.deadline - run.started_at).total_seconds()) + _SAFETY_SECONDS
        template["spec"].setdefault("activeDeadlineSeconds", left)
    return owned({"apiVersion": "v1", "kind": "Pod"} | template, run, name)


def job_manifest(parameters: JobParameters, run: Run) -> Body:
    """Give the Job of an attempt; by default it retries nothing itself."""
    template = _template(parameters)
    _finish(template, run)
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = (metadata.get("labels") or {}) | labels_of(run)
    spec: Body = {"backoffLimit": 0} | parameters.spec | {"template": template}
    if run.deadline is not None:
        left = math.ceil((run.deadline - run.started_at).total_seconds()) + _SAFETY_SECONDS
        spec.setdefault("activeDeadlineSeconds", left)
    name = child_name(run.name, run.uid, run.attempt)
    return owned({"apiVersion": "batch/v1", "kind": "Job", "spec": spec}, run, name)


def _template(parameters: PodParameters) -> Body:
    return _short(parameters) if parameters.template is None else copy.deepcopy(parameters.template)


def _finish(template: Body, run: Run) -> None:
    spec = template["spec"]
    for field in ("serviceAccountName", "serviceAccount"):
        if spec.get(field, run.service_account) != run.service_account:
            raise InvalidParametersError(f"template.spec.{field}: name the account in spec.runAs of the action instead")
    spec["serviceAccountName"] = run.service_account
    spec.setdefault("restartPolicy", "Never")
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        # So that the last lines of the log are there for the error, without a right to read logs.
        container.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")


def _short(parameters: PodParameters) -> Body:
    given: dict[str, Any] = {
        "command": list(parameters.command),
        "args": list(parameters.args),
        "env": [{"name": name, "value": value} for name, value in parameters.env.items()],
        "resources": copy.deepcopy(parameters.resources),
        "imagePullPolicy": parameters.image_pull_policy,
    }
    container = {"name": "main", "image": parameters.image} | {name: value for name, value in given.items() if value}
    return {"spec": {"containers": [container]}}
