"""``job``: a ``batch/v1`` Job; the Job controller runs the pods, and this executor reads their results."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from taskaction.api.enums import RetryClass
from taskaction.api.task_action import Progress
from taskaction.cluster.gateway import JOBS, PODS, Body
from taskaction.core.constants import ATTEMPT_LABEL
from taskaction.executors.child import Child, ChildExecutor, created_at, deletion_failure
from taskaction.executors.workloads.diagnosis import PodWaiting, output_of, pod_failure, read_pod_state
from taskaction.executors.workloads.manifests import job_manifest
from taskaction.executors.workloads.model import JobParameters, read_termination_grace
from taskaction.executors.workloads.pod import await_start
from taskaction.executors.workloads.source import parse_model
from taskaction.lifecycle.outcomes import Failed, Outcome, Succeeded
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.base import Run

_OUTPUTS_READ = 64
"""Maximum number of completions whose outputs are collected; more would not fit into a status."""
_INDEX = "batch.kubernetes.io/job-completion-index"


class JobExecutor(ChildExecutor):
    """Executor that runs a Job to its end; the action owns the Job, so Kubernetes deletes both together."""

    ACTION_NAME = "job"
    PARAMETERS = JobParameters
    CONFIG = JobParameters
    PROPAGATION: ClassVar[str] = "Foreground"  # so that the Job is gone only when its pods are

    def traits(self, parameters: Mapping[str, Any], config: Mapping[str, Any]) -> Traits:
        """Report no external effect: Kubernetes deletes what the action owns, after the grace period of the pods."""
        return Traits(
            idempotent=True, external_effect=False, extra_cancel_grace=read_termination_grace(config or parameters)
        )

    async def child(self, run: Run) -> Child:
        """Return the Job of the attempt."""
        parameters = parse_model(JobParameters, run)
        return Child(resource=JOBS, body=job_manifest(parameters, run), patience=parameters.start_timeout)

    async def judge(self, run: Run, child: Child, body: Body) -> Outcome:
        """Return the outcome by the conditions of the Job, and by its pods for details."""
        conditions = {one["type"]: one for one in _status(body).get("conditions") or () if one["status"] == "True"}
        if "Complete" in conditions:
            return Succeeded(output=await self._collect_output(run, body))
        if "Failed" in conditions:
            return _job_failure(body, conditions["Failed"], await self._pods(run, body, "Failed"))
        if "deletionTimestamp" in body["metadata"]:
            return deletion_failure(JOBS.kind, child.title)
        return await self._continue_polling(run, child, body)

    async def _continue_polling(self, run: Run, child: Child, body: Body) -> Outcome:
        pods = (read_pod_state(pod, "") for pod in _of_job(self.followed.list_observed(PODS, run.uid), body, run))
        waits = next((found for found in pods if isinstance(found, PodWaiting) and found.problem), PodWaiting())
        status = _status(body)
        progress = _progress(status, child.body["spec"].get("completions"))
        if status.get("ready") or status.get("succeeded") or status.get("failed"):
            return self.continue_polling(child, problem=waits.problem, progress=progress)
        return await await_start(self, run, child, body, waits, progress=progress)

    async def _collect_output(self, run: Run, body: Body) -> Any:
        """Return the outputs of the pods: one value for one completion, otherwise a list in index order."""
        parameters = parse_model(JobParameters, run)
        count = _status(body).get("succeeded") or 0
        if not 0 < count <= _OUTPUTS_READ:
            return None
        pods = sorted(await self._pods(run, body, "Succeeded", count), key=_order)
        outputs = [output_of(pod, parameters.watched_container) for pod in pods]
        if (parameters.spec.get("completions") or 1) == 1 and count == 1:
            return outputs[0] if outputs else None
        return outputs if any(output is not None for output in outputs) else None

    async def _pods(self, run: Run, job: Body, phase: str, count: int = 1) -> list[Body]:
        """Return the pods of the Job in a phase: from the watch if it has enough, otherwise from the API server."""
        seen = _in_phase(_of_job(self.followed.list_observed(PODS, run.uid), job, run), phase)
        return seen if len(seen) >= count else _in_phase(_of_job(await self.actor.list_own(PODS, run), job, run), phase)


def _job_failure(body: Body, condition: Mapping[str, Any], pods: Sequence[Body]) -> Failed:
    name, reason = body["metadata"]["name"], condition.get("reason") or "Failed"
    if reason == "DeadlineExceeded":
        message = f"Job {name!r} did not end within its activeDeadlineSeconds"
        return Failed(code="DeadlineExceeded", message=message, retry_class=RetryClass.TIMEOUT)
    # The Job controller deletes the remaining pods when it gives up; they do not tell the cause.
    own = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    if own:
        return pod_failure(max(own, key=created_at))
    if pods or reason == "BackoffLimitExceeded":  # a pod that has vanished counts as failed
        return deletion_failure(PODS.kind, f"a pod of Job {name!r}")
    return Failed(code="JobFailed", message=f"Job {name!r} failed ({reason}): {condition.get('message') or ''}")


def _status(body: Body) -> Mapping[str, Any]:
    return body.get("status") or {}


def _in_phase(pods: Sequence[Body], phase: str) -> list[Body]:
    return [pod for pod in pods if _status(pod).get("phase") == phase]


def _of_job(pods: Sequence[Body], job: Body, run: Run) -> list[Body]:
    """Return the pods of the attempt that the Job owns: anybody who may create pods can give them its labels."""
    uid = job["metadata"]["uid"]
    return [
        pod
        for pod in pods
        if pod["metadata"]["labels"].get(ATTEMPT_LABEL) == str(run.attempt)
        and any(owner["uid"] == uid for owner in pod["metadata"].get("ownerReferences") or ())
    ]


def _order(pod: Body) -> tuple[int, str]:
    index = (pod["metadata"].get("annotations") or {}).get(_INDEX, "")
    return int(index) if index.isdecimal() else 0, pod["metadata"]["name"]


def _progress(status: Mapping[str, Any], completions: int | None) -> Progress | None:
    """Return the number of finished completions, or None for a Job with one completion."""
    if not completions or completions == 1:
        return None
    succeeded = status.get("succeeded") or 0
    return Progress(
        percent=min(100 * succeeded // completions, 100), message=f"{succeeded} of {completions} completions"
    )
