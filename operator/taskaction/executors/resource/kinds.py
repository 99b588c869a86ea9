"""Default checks of well-known kinds, as their projects document them; data only."""

from typing import Any

from taskaction.executors.resource.model import Check


def _when(kind: str, status: str = "True") -> Check:
    return Check.model_validate({"condition": {"type": kind, "status": status}})


def _is(path: str, *values: Any) -> Check:
    return Check.model_validate({"field": {"path": path, "equals": list(values)}})


_KUBEFLOW = ((_when("Succeeded"),), (_when("Failed"),))

KNOWN: dict[tuple[str, str], tuple[tuple[Check, ...], tuple[Check, ...]]] = {
    ("", "ConfigMap"): ((), ()),
    ("", "Secret"): ((), ()),
    ("", "Service"): ((), ()),
    ("", "ServiceAccount"): ((), ()),
    ("", "Namespace"): ((_is("status.phase", "Active"),), ()),
    ("", "PersistentVolumeClaim"): ((_is("status.phase", "Bound"),), (_is("status.phase", "Lost"),)),
    ("", "Pod"): ((_is("status.phase", "Succeeded"),), (_is("status.phase", "Failed"),)),
    ("apps", "Deployment"): ((_when("Available"),), (_when("Progressing", "False"),)),
    ("batch", "Job"): ((_when("Complete"),), (_when("Failed"),)),
    ("batch", "CronJob"): ((), ()),
    ("ray.io", "RayJob"): (
        (_is("status.jobStatus", "SUCCEEDED"),),
        (_is("status.jobStatus", "FAILED", "STOPPED"), _is("status.jobDeploymentStatus", "Failed")),
    ),
    ("sparkoperator.k8s.io", "SparkApplication"): (
        (_is("status.applicationState.state", "COMPLETED"),),
        (_is("status.applicationState.state", "FAILED", "SUBMISSION_FAILED"),),
    ),
    ("kubeflow.org", "MPIJob"): _KUBEFLOW,
    ("kubeflow.org", "PyTorchJob"): _KUBEFLOW,
    ("kubeflow.org", "TFJob"): _KUBEFLOW,
    ("trainer.kubeflow.org", "TrainJob"): ((_when("Complete"),), (_when("Failed"),)),
    ("jobset.x-k8s.io", "JobSet"): ((_when("Completed"),), (_when("Failed"),)),
    ("argoproj.io", "Workflow"): (
        (_is("status.phase", "Succeeded"),),
        (_is("status.phase", "Failed", "Error"),),
    ),
    ("tekton.dev", "PipelineRun"): ((_when("Succeeded"),), (_when("Succeeded", "False"),)),
    ("tekton.dev", "TaskRun"): ((_when("Succeeded"),), (_when("Succeeded", "False"),)),
}
"""Checks by (group, kind): any of the first is a success, any of the second is a failure."""
