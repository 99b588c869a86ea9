"""The verdict on a Job: by its own conditions and counters, and by its pods for the reasons; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from taskaction.api.enums import RetryClass
from taskaction.cluster.gateway import PODS, Body
from taskaction.executors.verdicts import Bound, Finished, Running, Verdict, Waiting, deletion_failure
from taskaction.executors.workloads.pod_failures import find_earlier_failure
from taskaction.executors.workloads.pod_fields import (
    condition_of,
    containers_of,
    deletion_requested_at,
    ends_of,
    latest,
    status_of,
    time_of,
)
from taskaction.executors.workloads.pod_states import read_pod_state
from taskaction.lifecycle.outcomes import Failed

OUTPUTS_READ = 64
"""Maximum number of completions whose outputs are collected; more would not fit into a status."""
_INDEX = "batch.kubernetes.io/job-completion-index"
_ENDED = frozenset({"Succeeded", "Failed"})


def read_job_state(job: Body, spec: Mapping[str, Any], pods: Sequence[Body], container: str) -> Verdict:
    """Return the verdict on ``job``; its output is the termination messages of ``container`` of its pods.

    ``spec`` is the Job's as the action created it, since the watch keeps none; ``pods`` are all that are known of it.
    Interim conditions (FailureTarget, SuccessCriteriaMet) do not count: pods of the Job may still run.
    """
    if condition_of(job, "Complete"):
        return _read_success(job, spec, pods, container)
    if failed := condition_of(job, "Failed"):
        return _read_failure(job, failed.get("reason") or "Failed", failed.get("message") or "", spec, pods, container)
    if suspended := condition_of(job, "Suspended"):
        said = suspended.get("message") or suspended.get("reason") or "no details from Kubernetes"
        return _waiting(job, f"Job {job['metadata']['name']!r} is suspended: {said}", Bound.UNLIMITED)
    return _read_unfinished(job, pods, container)


def count_missing_pods(job: Body, pods: Sequence[Body]) -> int:
    """Return how many of the pods that tell the result of an ended Job are not among ``pods``."""
    if condition_of(job, "Complete"):
        succeeded = status_of(job).get("succeeded") or 0
        return max(succeeded - len(_in_phase(pods, "Succeeded")), 0) if succeeded <= OUTPUTS_READ else 0
    return int(bool(condition_of(job, "Failed")) and not _in_phase(pods, "Failed"))


def has_live_pods(pods: Sequence[Body]) -> bool:
    """Whether any of the pods has not ended."""
    return any(status_of(pod).get("phase") not in _ENDED for pod in pods)


def _read_success(job: Body, spec: Mapping[str, Any], pods: Sequence[Body], container: str) -> Verdict:
    """Return the success with its output: one value for one completion, otherwise a list in index order."""
    count = status_of(job).get("succeeded") or 0
    found = [read_pod_state(pod, container) for pod in sorted(_in_phase(pods, "Succeeded"), key=_order)]
    outputs = [one.output for one in found if isinstance(one, Finished)]
    interrupted = [one for one in found if isinstance(one, Failed)]
    # The Job counts every exit with 0, also that of a program that was told to stop. It tells those itself to stop that
    # it does not need.
    if interrupted and len(outputs) < count and condition_of(job, "Complete").get("reason") != "SuccessPolicy":
        return interrupted[0]
    if not 0 < count <= OUTPUTS_READ:
        return Finished()
    if count == 1 and (spec.get("completions") or 1) == 1:
        return Finished(outputs[0] if outputs else None)
    return Finished(outputs if any(output is not None for output in outputs) else None)


def _read_failure(
    job: Body, reason: str, message: str, spec: Mapping[str, Any], pods: Sequence[Body], container: str
) -> Failed:
    name = job["metadata"]["name"]
    if reason == "DeadlineExceeded":
        late = f"Job {name!r} did not end within its activeDeadlineSeconds"
        return Failed(code="DeadlineExceeded", message=late, retry_class=RetryClass.TIMEOUT)
    newest = sorted(pods, key=_age, reverse=True)
    deleted = deletion_failure(PODS.kind, f"a pod of Job {name!r}")
    ended = (read_pod_state(pod, container) for pod in newest if status_of(pod).get("phase") in _ENDED)
    found = [one for one in ended if isinstance(one, Failed)]
    # The Job controller deletes the remaining pods when it gives up; they do not tell the cause.
    if own := [one for one in found if one.code != deleted.code]:
        return own[0]
    if earlier := [one for one in map(find_earlier_failure, newest) if one is not None]:
        return earlier[0]
    if reason == "BackoffLimitExceeded" and spec["template"]["spec"].get("restartPolicy") == "OnFailure" and not pods:
        return Failed(
            code="ContainerFailed",
            message=f"the containers of Job {name!r} failed more often than its backoffLimit permits; Kubernetes "
            "deleted its pods before their exit codes could be read: use restartPolicy Never to keep them",
        )
    if found or pods or reason == "BackoffLimitExceeded":  # a pod that has vanished counts as failed
        return deleted
    return Failed(code="JobFailed", message=f"Job {name!r} failed ({reason}): {message}")


def _read_unfinished(job: Body, pods: Sequence[Body], container: str) -> Verdict:
    """Return the verdict on a Job that may run pods: what one of them says that has trouble, otherwise the first."""
    live = [read_pod_state(pod, container) for pod in pods if status_of(pod).get("phase") not in _ENDED]
    waits = sorted((one for one in live if isinstance(one, Waiting)), key=lambda one: not one.problem)
    running = [one.message for one in live if isinstance(one, Running)]
    if running or status_of(job).get("ready"):
        return Running(next((text for text in (*running, *(one.problem for one in waits)) if text), ""))
    found = waits[0] if waits else _waiting(job, "", Bound.START, *(_ended_at(pod) for pod in pods))
    # What is done is not thrown away because the rest waits; pauses between failed pods are the Job controller's.
    tried = status_of(job).get("succeeded") or (not live and status_of(job).get("failed"))
    bound = Bound.UNLIMITED if tried else found.bound
    return replace(found, bound=bound, since=latest(found.since, _began_at(job)))


def _waiting(job: Body, problem: str, bound: Bound, *since: datetime | None) -> Waiting:
    uid = job["metadata"].get("uid") or ""
    return Waiting(problem=problem, bound=bound, since=latest(_began_at(job), *since), uid=uid)


def _began_at(job: Body) -> datetime | None:
    """Return when the Job was created, or resumed after it was suspended."""
    resumed = condition_of(job, "Suspended", "False").get("lastTransitionTime")
    times = job["metadata"].get("creationTimestamp"), status_of(job).get("startTime"), resumed
    return latest(*map(time_of, times))


def _ended_at(pod: Body) -> datetime | None:
    ends = (time_of(end.get("finishedAt")) for one in containers_of(pod) for end in ends_of(one))
    return latest(deletion_requested_at(pod), *ends)


def _in_phase(pods: Sequence[Body], phase: str) -> list[Body]:
    return [pod for pod in pods if status_of(pod).get("phase") == phase]


def _age(pod: Body) -> str:
    return str(pod["metadata"].get("creationTimestamp") or "")


def _order(pod: Body) -> tuple[int, str]:
    index = (pod["metadata"].get("annotations") or {}).get(_INDEX, "")
    return int(index) if index.isdecimal() else 0, pod["metadata"]["name"]
