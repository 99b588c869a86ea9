"""What is known of well-known kinds: each says when it has succeeded, and nothing is both a success and a failure."""

from typing import Any

import pytest

from support.children import condition
from taskaction.executors.resource.kinds import KNOWN
from taskaction.plugin.checks import Expectation

Body = dict[str, Any]
EMPTY: Body = {"metadata": {"name": "x"}}
SUCCEEDED = {
    ("", "PersistentVolumeClaim"): {"phase": "Bound"},
    ("", "Pod"): {"phase": "Succeeded"},
    ("apps", "Deployment"): {"conditions": [condition("Progressing"), condition("Available")]},
    ("batch", "Job"): {"conditions": [condition("SuccessCriteriaMet"), condition("Complete")]},
    ("ray.io", "RayJob"): {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"},
    ("sparkoperator.k8s.io", "SparkApplication"): {"applicationState": {"state": "COMPLETED"}},
    ("kubeflow.org", "PyTorchJob"): {"conditions": [condition("Running", "False"), condition("Succeeded")]},
    ("jobset.x-k8s.io", "JobSet"): {"conditions": [condition("Completed")]},
    ("argoproj.io", "Workflow"): {"phase": "Succeeded"},
    ("tekton.dev", "PipelineRun"): {"conditions": [condition("Succeeded")]},
}
FAILED = {
    ("", "Pod"): {"phase": "Failed"},
    ("apps", "Deployment"): {"conditions": [condition("Available", "False"), condition("Progressing", "False")]},
    ("batch", "Job"): {"conditions": [condition("FailureTarget"), condition("Failed")]},
    ("ray.io", "RayJob"): {"jobStatus": "FAILED"},
    ("sparkoperator.k8s.io", "SparkApplication"): {"applicationState": {"state": "SUBMISSION_FAILED"}},
    ("kubeflow.org", "PyTorchJob"): {"conditions": [condition("Failed")]},
    ("jobset.x-k8s.io", "JobSet"): {"conditions": [condition("Failed")]},
    ("argoproj.io", "Workflow"): {"phase": "Error"},
    ("tekton.dev", "PipelineRun"): {"conditions": [condition("Succeeded", "False", reason="TaskRunFailed")]},
}
RUNNING = {
    ("", "Pod"): {"phase": "Running"},
    ("batch", "Job"): {"active": 1},
    ("ray.io", "RayJob"): {"jobStatus": "RUNNING"},
    ("tekton.dev", "PipelineRun"): {"conditions": [condition("Succeeded", "Unknown", reason="Running")]},
    ("kubeflow.org", "PyTorchJob"): {"conditions": [condition("Running"), condition("Succeeded", "False")]},
}


def stands(kind: tuple[str, str], status: Body) -> tuple[bool, bool]:
    """Give whether an object has succeeded, and whether it has failed."""
    success, failure = KNOWN[kind]
    body = EMPTY | {"status": status}
    return any(check.expectation.holds(body) for check in success), any(
        check.expectation.holds(body) for check in failure
    )


def names(cases: dict[tuple[str, str], Body]) -> list[str]:
    return [kind for _, kind in cases]


@pytest.mark.parametrize(("kind", "status"), SUCCEEDED.items(), ids=names(SUCCEEDED))
def test_a_success_is_known_and_is_no_failure(kind: tuple[str, str], status: Body) -> None:
    assert stands(kind, status) == (True, False)


@pytest.mark.parametrize(("kind", "status"), FAILED.items(), ids=names(FAILED))
def test_a_failure_is_known_and_is_no_success(kind: tuple[str, str], status: Body) -> None:
    assert stands(kind, status) == (False, True)


@pytest.mark.parametrize(("kind", "status"), RUNNING.items(), ids=names(RUNNING))
def test_what_goes_on_is_neither(kind: tuple[str, str], status: Body) -> None:
    assert stands(kind, status) == (False, False)


@pytest.mark.parametrize("kind", KNOWN, ids=["/".join(kind) for kind in KNOWN])
def test_an_object_that_says_nothing_yet_is_neither(kind: tuple[str, str]) -> None:
    success, failure = KNOWN[kind]
    assert stands(kind, {}) == (False, False)
    assert success or not failure, "what can fail can succeed"
    for check in (*success, *failure):
        if isinstance(check.expectation, Expectation):
            assert check.expectation.path.startswith("status.")
            assert None not in check.expectation.equals
