"""``job``: a ``batch/v1`` Job; the Job controller runs its pods, and this reads what became of them."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from taskaction.api.enums import RetryClass
from taskaction.api.task_action import Progress
from taskaction.cluster.gateway import JOBS, PODS, Body
from taskaction.core.constants import ATTEMPT_LABEL
from taskaction.executors.child import Child, ChildExecutor, created_at, gone
from taskaction.executors.workloads.diagnosis import Waits, failure, output_of, standing
from taskaction.executors.workloads.manifests import job_manifest
from taskaction.executors.workloads.model import JobParameters, farewell
from taskaction.executors.workloads.pod import still_starting
from taskaction.executors.workloads.source import model_of
from taskaction.lifecycle.outcomes import Failed, Outcome, Succeeded
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.base import Run

_OUTPUTS_READ = 64
"""Completions whose outputs are collected; beyond, there would be no room for them in a status."""
_INDEX = "batch.kubernetes.io/job-completion-index"


class JobExecutor(ChildExecutor):
    """Runs a Job to its end; the action owns it, so it goes with the action."""

    ACTION_NAME = "job"
    PARAMETERS = JobParameters
    CONFIG = JobParameters
    PROPAGATION: ClassVar[str] = "Foreground"  # so that the Job is gone only when its pods are

    def traits(self, parameters: Mapping[str, Any], config: Mapping[str, Any]) -> Traits:
        """Kubernetes removes what the action owns; until then a pod has its grace."""
        return Traits(idempotent=True, external_effect=False, farewell=farewell(config or parameters))

    async def child(self, run: Run) -> Child:
        """Give the attempt's Job."""
        parameters = model_of(JobParameters, run)
        return Child(resource=JOBS, body=job_manifest(parameters, run), patience=parameters.start_timeout)

    async def judge(self, run: Run, child: Child, body: Body) -> Outcome:
        """Say how the action stands by its Job's conditions, and by its pods where those say no more."""
        conditions = {one["type"]: one for one in _status(body).get("conditions") or () if one["status"] == "True"}
        if "Complete" in conditions:
            return Succeeded(output=await self._output(run, body))
        if "Failed" in conditions:
            return _failed(body, conditions["Failed"], await self._pods(run, "Failed"))
        if "deletionTimestamp" in body["metadata"]:
            return gone(JOBS.kind, child.title)
        return await self._goes_on(run, child, body)

    async def _goes_on(self, run: Run, child: Child, body: Body) -> Outcome:
        pods = (standing(pod, "") for pod in _of_attempt(self.followed.seen(PODS, run.uid), run))
        waits = next((found for found in pods if isinstance(found, Waits) and found.problem), Waits())
        status = _status(body)
        progress = _progress(status, child.body["spec"].get("completions"))
        if status.get("ready") or status.get("succeeded") or status.get("failed"):
            return self.goes_on(child, problem=waits.problem, progress=progress)
        return await still_starting(self, run, child, body, waits, progress=progress)

    async def _output(self, run: Run, body: Body) -> Any:
        """Give what the pods left behind: one value of a Job of one completion, a list in the order of indices else."""
        parameters = model_of(JobParameters, run)
        count = _status(body).get("succeeded") or 0
        if not 0 < count <= _OUTPUTS_READ:
            return None
        pods = sorted(await self._pods(run, "Succeeded", count), key=_order)
        outputs = [output_of(pod, parameters.watched_container) for pod in pods]
        if (parameters.spec.get("completions") or 1) == 1 and count == 1:
            return outputs[0] if outputs else None
        return outputs if any(output is not None for output in outputs) else None

    async def _pods(self, run: Run, phase: str, count: int = 1) -> list[Body]:
        """Give the attempt's pods of a phase: as the watch has shown them, else as the API server has them."""
        seen = _in_phase(self.followed.seen(PODS, run.uid), phase, run)
        return seen if len(seen) >= count else _in_phase(await self.actor.list_own(PODS, run), phase, run)


def _failed(body: Body, condition: Mapping[str, Any], pods: Sequence[Body]) -> Failed:
    name, reason = body["metadata"]["name"], condition.get("reason") or "Failed"
    if reason == "DeadlineExceeded":
        message = f"Job {name!r} did not end within its activeDeadlineSeconds"
        return Failed(code="DeadlineExceeded", message=message, retry_class=RetryClass.TIMEOUT)
    # The Job controller deletes what is left when it gives up; those pods say nothing of why it did.
    own = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    if own:
        return failure(max(own, key=created_at))
    if pods or reason == "BackoffLimitExceeded":  # a pod that has vanished counts as failed
        return gone(PODS.kind, f"a pod of Job {name!r}")
    return Failed(code="JobFailed", message=f"Job {name!r} failed ({reason}): {condition.get('message') or ''}")


def _status(body: Body) -> Mapping[str, Any]:
    return body.get("status") or {}


def _in_phase(pods: Sequence[Body], phase: str, run: Run) -> list[Body]:
    return [pod for pod in _of_attempt(pods, run) if _status(pod).get("phase") == phase]


def _of_attempt(pods: Sequence[Body], run: Run) -> list[Body]:
    return [pod for pod in pods if pod["metadata"]["labels"].get(ATTEMPT_LABEL) == str(run.attempt)]


def _order(pod: Body) -> tuple[int, str]:
    index = (pod["metadata"].get("annotations") or {}).get(_INDEX, "")
    return int(index) if index.isdecimal() else 0, pod["metadata"]["name"]


def _progress(status: Mapping[str, Any], completions: int | None) -> Progress | None:
    """Give how many of several completions there are; one has nothing to count."""
    if not completions or completions == 1:
        return None
    succeeded = status.get("succeeded") or 0
    return Progress(
        percent=min(100 * succeeded // completions, 100), message=f"{succeeded} of {completions} completions"
    )
