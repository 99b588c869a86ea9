"""What a Job's status means, with the pods that are known of it: every state of batch/v1 of Kubernetes 1.36."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.children import condition
from taskaction.api.enums import ErrorKind, RetryClass
from taskaction.executors.verdicts import Bound, Finished, Running, Verdict, Waiting
from taskaction.executors.workloads.job_states import count_missing_pods, read_job_state
from taskaction.lifecycle.outcomes import Failed

Body = dict[str, Any]
COMPLETE = condition("Complete", reason="CompletionsReached")
SPEC = {"template": {"spec": {"restartPolicy": "Never"}}}
ON_FAILURE = {"backoffLimit": 1, "template": {"spec": {"restartPolicy": "OnFailure"}}}


def job(*conditions: Body, **status: Any) -> Body:
    metadata = {"name": "j", "uid": "uid-of-j", "creationTimestamp": "2026-01-01T12:00:00Z"}
    return {"metadata": metadata, "status": status | {"conditions": list(conditions)}}


def gave_up(reason: str = "BackoffLimitExceeded") -> Body:
    return job(condition("Failed", reason=reason, message="why"), failed=1)


def pod(phase: str, name: str = "j-1", *, state: Body | None = None, last: Body | None = None, **metadata: Any) -> Body:
    container: Body = {"name": "main", "state": state or {}, "lastState": last or {}}
    marks = {"name": name, "uid": f"uid-of-{name}", "creationTimestamp": "2026-01-01T12:00:10Z"} | metadata
    return {"metadata": marks, "status": {"phase": phase, "containerStatuses": [container]}}


def ended(code: int, second: int = 20, message: str = "", reason: str = "") -> Body:
    at = f"2026-01-01T12:00:{second}Z"
    return {"terminated": {"exitCode": code, "finishedAt": at, "message": message, "reason": reason}}


def indexed(index: int, message: str) -> Body:
    marks = {"annotations": {"batch.kubernetes.io/job-completion-index": str(index)}}
    return pod("Succeeded", f"j-{9 - index}", state=ended(0, message=message), **marks)


def disrupted(body: Body, reason: str) -> Body:
    return body | {"status": body["status"] | {"conditions": [condition("DisruptionTarget", reason=reason)]}}


RUNNING: Body = {"running": {"startedAt": "2026-01-01T12:00:15Z"}}
DELETED = {"deletionTimestamp": "2026-01-01T12:00:50Z", "deletionGracePeriodSeconds": 30}  # requested at 12:00:20


def read(body: Body, *pods: Body, spec: Body = SPEC) -> Verdict:
    return read_job_state(body, spec, pods, "main")


# -- ends --------------------------------------------------------------------------------------------------------------

OUTPUTS = {
    "one completion": (job(COMPLETE, succeeded=1), SPEC, [pod("Succeeded", state=ended(0, message="7"))], 7),
    "several": (
        job(COMPLETE, succeeded=2),
        SPEC | {"completions": 2},
        [indexed(1, "1"), indexed(0, "0")],
        [0, 1],
    ),
    "fewer than asked for, by a success policy": (
        job(condition("Complete", reason="SuccessPolicy"), succeeded=1),
        SPEC | {"completions": 3},
        [indexed(0, "0")],
        [0],
    ),
    "and others that the success policy stopped": (
        job(condition("Complete", reason="SuccessPolicy"), succeeded=2),
        SPEC | {"completions": 3},
        [indexed(0, "0"), pod("Succeeded", "j-x", state=ended(0, 25), **DELETED)],
        [0],
    ),
    "pods that are gone": (job(COMPLETE, succeeded=1), SPEC, [], None),
    "more than a status has room for": (job(COMPLETE, succeeded=65), SPEC | {"completions": 65}, [], None),
}


@pytest.mark.parametrize(("body", "spec", "pods", "output"), OUTPUTS.values(), ids=OUTPUTS)
def test_a_complete_job_has_the_outputs_of_its_pods(body: Body, spec: Body, pods: list[Body], output: Any) -> None:
    assert read(body, *pods, spec=spec) == Finished(output)


def test_a_job_is_not_complete_by_a_pod_that_was_told_to_stop() -> None:
    found = read(job(COMPLETE, succeeded=1), pod("Succeeded", state=ended(0, 25), **DELETED))
    assert isinstance(found, Failed)
    assert (found.code, found.kind) == ("PodDeleted", ErrorKind.SYSTEM)


FAILURES = {
    "its pod's exit code": (gave_up(), SPEC, [pod("Failed", state=ended(3))], "ContainerFailed", "code 3"),
    "a pod failure policy": (
        gave_up("PodFailurePolicy"),
        SPEC,
        [pod("Failed", state=ended(42))],
        "ContainerFailed",
        "code 42",
    ),
    "the cause, not a pod that was stopped for it": (
        gave_up(),
        SPEC,
        [
            pod("Failed", state=ended(3, 19), creationTimestamp="2026-01-01T12:00:01Z"),
            pod("Failed", "j-2", state=ended(143, 25), **DELETED),
        ],
        "ContainerFailed",
        "code 3",
    ),
    "restarts in its pod, which it has deleted": (
        gave_up(),
        ON_FAILURE,
        [pod("Failed", state=ended(137, 25), last=ended(3, 20), **DELETED)],
        "ContainerFailed",
        "code 3",
    ),
    "restarts in a pod that it deletes": (
        gave_up(),
        ON_FAILURE,
        [pod("Running", state=RUNNING, last=ended(3, 20), **DELETED)],
        "ContainerFailed",
        "code 3",
    ),
    "restarts in a pod that is gone": (
        gave_up(),
        ON_FAILURE,
        [],
        "ContainerFailed",
        "more often than its backoffLimit",
    ),
    "a pod that is gone": (gave_up(), SPEC, [], "PodDeleted", "a pod of Job 'j' was deleted"),
    "a lost node": (
        gave_up(),
        SPEC,
        [pod("Failed", state=ended(137, reason="ContainerStatusUnknown"))],
        "ContainerStatusUnknown",
        "was not observed",
    ),
    "an eviction of a pod that exits with 0": (
        gave_up(),
        SPEC,
        [disrupted(pod("Succeeded", state=ended(0, 25), **DELETED), "EvictionByEvictionAPI")],
        "EvictionByEvictionAPI",
        "was ended by the cluster",
    ),
    "its deadline": (gave_up("DeadlineExceeded"), SPEC, [], "DeadlineExceeded", "activeDeadlineSeconds"),
    "its indexes": (gave_up("FailedIndexes"), SPEC, [], "JobFailed", "(FailedIndexes): why"),
    "too many of its indexes": (gave_up("MaxFailedIndexesExceeded"), SPEC, [], "JobFailed", "MaxFailedIndexes"),
    "a reason that nobody has heard of": (gave_up("Zapped"), SPEC, [], "JobFailed", "(Zapped): why"),
}


@pytest.mark.parametrize(("body", "spec", "pods", "code", "told"), FAILURES.values(), ids=FAILURES)
def test_a_failed_job_names_the_cause(body: Body, spec: Body, pods: list[Body], code: str, told: str) -> None:
    found = read(body, *pods, spec=spec)
    assert isinstance(found, Failed)
    assert found.code == code
    assert told in found.message
    platform = code in {"PodDeleted", "ContainerStatusUnknown", "EvictionByEvictionAPI"}
    assert (found.kind is ErrorKind.SYSTEM) == (found.retry_class is RetryClass.SYSTEM) == platform


NEEDED = {
    "outputs": (job(COMPLETE, succeeded=2), [indexed(0, "")], 1),
    "no more outputs": (job(COMPLETE, succeeded=1), [indexed(0, "")], 0),
    "too many outputs": (job(COMPLETE, succeeded=65), [], 0),
    "a reason": (gave_up(), [pod("Succeeded")], 1),
    "no other reason": (gave_up(), [pod("Failed")], 0),
    "nothing yet": (job(active=1), [], 0),
}


@pytest.mark.parametrize(("body", "pods", "count"), NEEDED.values(), ids=NEEDED)
def test_pods_are_missing_where_they_tell_the_result(body: Body, pods: list[Body], count: int) -> None:
    assert count_missing_pods(body, pods) == count


# -- no end yet --------------------------------------------------------------------------------------------------------

PENDING = pod("Pending", state={"waiting": {"reason": "ContainerCreating"}})
NO_IMAGE = pod("Pending", "j-2", state={"waiting": {"reason": "ErrImagePull"}})
RUNS = {
    "a pod that is not ready": (job(active=1, ready=0), [pod("Running", state=RUNNING)], ""),
    "a pod that nobody has seen": (job(active=1, ready=1), [], ""),
    "one of several": (job(active=2, ready=1), [NO_IMAGE], "ErrImagePull"),
    "until its pod is deleted": (job(terminating=1), [pod("Running", state=RUNNING, **DELETED)], "is being ended"),
    "until its failure is final": (
        job(condition("FailureTarget", reason="BackoffLimitExceeded"), terminating=1),
        [pod("Running", state=RUNNING, **DELETED)],
        "is being ended",
    ),
    "until its success is final": (job(condition("SuccessCriteriaMet"), ready=1), [], ""),
    "although it may fail": (job(condition("Failed", "False"), ready=1), [], ""),
}


@pytest.mark.parametrize(("body", "pods", "told"), RUNS.values(), ids=RUNS)
def test_a_job_runs_as_long_as_a_container_of_it_does(body: Body, pods: list[Body], told: str) -> None:
    found = read(body, *pods)
    assert isinstance(found, Running)
    assert told in found.message
    assert bool(told) == bool(found.message)


RESUMED = {"lastTransitionTime": "2026-01-01T12:30:00Z"} | condition("Suspended", "False", reason="JobResumed")
WAITS = {
    "a pod that starts": (job(active=1), [PENDING], Bound.START, "", "12:00:10"),
    "the one that has trouble": (job(active=2), [PENDING, NO_IMAGE], Bound.IMAGE, "ErrImagePull", "12:00:10"),
    "no pod yet": (job(), [], Bound.START, "", "12:00:00"),
    "no pod since it lost one": (job(), [pod("Failed", state=ended(143, 25), **DELETED)], Bound.START, "", "12:00:25"),
    "a queue": (
        job(condition("Suspended", reason="JobSuspended", message="Job suspended")),
        [pod("Running", state=RUNNING, **DELETED)],
        Bound.UNLIMITED,
        "Job 'j' is suspended: Job suspended",
        "12:00:00",
    ),
    "a pod since it was resumed": (job(RESUMED, active=1), [PENDING], Bound.START, "", "12:30:00"),
    "no pod since it was resumed": (job(RESUMED), [], Bound.START, "", "12:30:00"),
    "its start": (job(startTime="2026-01-01T12:10:00Z"), [], Bound.START, "", "12:10:00"),
    "the rest of several": (job(active=1, succeeded=9), [NO_IMAGE], Bound.UNLIMITED, "ErrImagePull", "12:00:10"),
}


@pytest.mark.parametrize(("body", "pods", "bound", "told", "since"), WAITS.values(), ids=WAITS)
def test_a_job_of_which_nothing_runs_waits(body: Body, pods: list[Body], bound: Bound, told: str, since: str) -> None:
    found = read(body, *pods)
    assert isinstance(found, Waiting)
    assert found.bound is bound
    assert told in found.problem
    assert bool(told) == bool(found.problem)
    assert found.since == datetime.fromisoformat(f"2026-01-01T{since}Z").replace(tzinfo=UTC)


@given(
    st.sampled_from(["Zapped", "SuccessCriteriaMet", "FailureTarget"]),
    st.dictionaries(st.sampled_from(["active", "ready", "terminating"]), st.integers(0, 3)),
    st.lists(st.sampled_from([PENDING, NO_IMAGE, pod("Zapped"), pod("Running", state=RUNNING)]), max_size=3),
)
def test_no_unknown_state_ends_an_attempt(kind: str, counts: Body, pods: list[Body]) -> None:
    assert isinstance(read(job(condition(kind), **counts), *pods), Waiting | Running)
