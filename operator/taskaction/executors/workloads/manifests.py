"""Objects from parameters; pure, and the same for every call of an attempt."""

import copy
import math
from typing import Any

from taskaction.cluster.gateway import Body
from taskaction.core.constants import ACTION_LABEL, API_VERSION, ATTEMPT_LABEL, UID_LABEL
from taskaction.core.names import child_name
from taskaction.executors.exposure import refer_to_secrets
from taskaction.executors.workloads.model import JobParameters, PodParameters
from taskaction.plugin.base import Run
from taskaction.plugin.errors import InvalidParametersError

_LABEL_LIMIT = 63
_SAFETY_SECONDS = 60
"""Seconds after the deadline of the attempt at which Kubernetes itself ends a pod, in case no operator runs."""


def labels_of(run: Run) -> dict[str, str]:
    """Return the labels by which the operator and people find the objects of an attempt."""
    found = {
        "app.kubernetes.io/managed-by": "taskaction-operator",
        UID_LABEL: run.uid,
        ATTEMPT_LABEL: str(run.attempt),
    }
    # The name of an action may be too long for a label; the uid identifies its objects anyway.
    return found | ({ACTION_LABEL: run.name} if len(run.name) <= _LABEL_LIMIT else {})


def owner_of(run: Run) -> Body:
    """Return the ownerReference by which Kubernetes deletes the objects of an attempt with their action."""
    return {
        "apiVersion": API_VERSION,
        "kind": "TaskAction",
        "name": run.name,
        "uid": run.uid,
        "controller": True,
        # Blocking the deletion of the owner requires a right that the account of an action should not have.
        "blockOwnerDeletion": False,
    }


def with_owner(body: Body, run: Run, name: str) -> Body:
    """Return ``body`` with its name, and with the labels and owner of the attempt."""
    metadata = dict(body.get("metadata") or {})
    metadata |= {
        "name": name,
        "namespace": run.namespace,
        "labels": (metadata.get("labels") or {}) | labels_of(run),
        "ownerReferences": [owner_of(run)],
    }
    return {**body, "metadata": metadata}


def pod_manifest(parameters: PodParameters, run: Run) -> Body:
    """Return the pod of an attempt."""
    return complete_pod(_template(parameters), run, child_name(run.name, run.uid, run.attempt))


def complete_pod(template: Body, run: Run, name: str) -> Body:
    """Return the pod of a template, completed with what the pod of every attempt has; changes the template.

    Raises:
        InvalidParametersError: the template names another account than the action's.
    """
    _complete_template(template, run)
    if run.deadline is not None:
        left = math.ceil((run.deadline - run.started_at).total_seconds()) + _SAFETY_SECONDS
        template["spec"].setdefault("activeDeadlineSeconds", left)
    return with_owner({"apiVersion": "v1", "kind": "Pod"} | template, run, name)


def job_manifest(parameters: JobParameters, run: Run) -> Body:
    """Return the Job of an attempt; by default, it has no retries of its own."""
    template = _template(parameters)
    _complete_template(template, run)
    spec: Body = {"backoffLimit": 0} | parameters.spec | {"template": template}
    if run.deadline is not None:
        left = math.ceil((run.deadline - run.started_at).total_seconds()) + _SAFETY_SECONDS
        spec.setdefault("activeDeadlineSeconds", left)
    name = child_name(run.name, run.uid, run.attempt)
    return with_owner(label_job_pods({"apiVersion": "batch/v1", "kind": "Job", "spec": spec}, run), run, name)


def label_job_pods(job: Body, run: Run) -> Body:
    """Return a Job whose pods get the labels by which the operator observes them; a malformed one as it is."""
    spec: Any = job.get("spec")
    template: Any = spec.get("template") if isinstance(spec, dict) else None
    metadata: Any = _present(template.get("metadata")) if isinstance(template, dict) else None
    labels: Any = _present(metadata.get("labels")) if isinstance(metadata, dict) else None
    if not isinstance(labels, dict):
        return job  # the API server refuses it
    labelled = template | {"metadata": metadata | {"labels": labels | labels_of(run)}}
    return job | {"spec": spec | {"template": labelled}}


def _present(fields: Any) -> Any:
    return {} if fields is None else fields


def _template(parameters: PodParameters) -> Body:
    template = _container_template(parameters) if parameters.template is None else copy.deepcopy(parameters.template)
    refer_to_secrets(template)
    return template


def _complete_template(template: Body, run: Run) -> None:
    spec = template["spec"]
    for field in ("serviceAccountName", "serviceAccount"):
        if spec.get(field, run.service_account) != run.service_account:
            raise InvalidParametersError(f"template.spec.{field}: set spec.runAs of the action instead")
    spec["serviceAccountName"] = run.service_account
    spec.setdefault("restartPolicy", "Never")
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        # The error then has the last lines of the log, without a right to read logs.
        container.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")


def _container_template(parameters: PodParameters) -> Body:
    given: dict[str, Any] = {
        "command": list(parameters.command),
        "args": list(parameters.args),
        "env": [{"name": name, "value": value} for name, value in parameters.env.items()],
        "resources": copy.deepcopy(parameters.resources),
        "imagePullPolicy": parameters.image_pull_policy,
    }
    container = {"name": "main", "image": parameters.image} | {name: value for name, value in given.items() if value}
    return {"spec": {"containers": [container]}}
