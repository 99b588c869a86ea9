"""``job``: a ``batch/v1`` Job; the Job controller runs the pods, and this executor reads their results."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, assert_never

from taskaction.api.task_action import Progress
from taskaction.cluster.gateway import JOBS, PODS, Body
from taskaction.core.constants import ATTEMPT_LABEL
from taskaction.executors.child import Child, ChildExecutor
from taskaction.executors.verdicts import Finished, Running, Waiting, deletion_failure
from taskaction.executors.workloads.job_states import count_missing_pods, has_live_pods, read_job_state
from taskaction.executors.workloads.manifests import job_manifest
from taskaction.executors.workloads.model import JobParameters, read_termination_grace
from taskaction.executors.workloads.pod_fields import is_deleted, status_of
from taskaction.executors.workloads.source import parse_model
from taskaction.executors.workloads.starting import FIRST_LOOK, await_start, is_over
from taskaction.lifecycle.outcomes import Failed, Outcome, Succeeded
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.base import Run
from taskaction.plugin.errors import AccessDeniedError


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
        return Child(
            resource=JOBS,
            body=job_manifest(parameters, run),
            patience=parameters.start_timeout,
            image_patience=parameters.image_timeout,
        )

    async def judge(self, run: Run, child: Child, body: Body) -> Outcome:
        """Return the outcome by the conditions of the Job, and by its pods for details."""
        container = parse_model(JobParameters, run).watched_container
        pods = _of_job(self.followed.list_observed(PODS, run.uid), body, run)
        found = read_job_state(body, child.body["spec"], pods, container)
        if count_missing_pods(body, pods) or (isinstance(found, Waiting) and _must_read(found, run, child)):
            pods = await self._read_pods(run, body, pods, required=not isinstance(found, Waiting))
            found = read_job_state(body, child.body["spec"], pods, container)
        progress = _progress(status_of(body), child.body["spec"].get("completions"))
        match found:
            case Finished(output=output):
                return Succeeded(output=output)
            case Failed():
                return found
            case _ if is_deleted(body):
                return deletion_failure(JOBS.kind, child.title)
            case Running(message=note):
                return self.continue_polling(child, note=note, progress=progress)
            case Waiting():
                if found.problem or has_live_pods(pods) or status_of(body).get("active"):
                    return await await_start(self, run, child, found, progress=progress)
                # For its first pods, or for new ones, since it lost those that ran: the Job does not say, so the time
                # counts from when the action began to show it.
                found, shown = replace(found, unexplained=f"{child.title} has no pods"), run.initializing_since
                return await await_start(self, run, child, found, counted_from=shown or run.now, progress=progress)
            case _:
                assert_never(found)

    async def _read_pods(self, run: Run, job: Body, observed: Sequence[Body], *, required: bool) -> list[Body]:
        """Return the pods of the Job by the API server, with those that had ended before they were deleted.

        What a Job waits for can be said without them, if the account may not list pods.
        """
        try:
            read = _of_job(await self.actor.list_own(PODS, run), job, run)
        except AccessDeniedError:
            if required:
                raise
            return list(observed)
        names = {pod["metadata"]["name"] for pod in read}
        return read + [pod for pod in observed if pod["metadata"]["name"] not in names and not has_live_pods([pod])]


def _must_read(waits: Waiting, run: Run, child: Child) -> bool:
    """Whether to read the pods of a Job that seems to wait: the watch does not report pods that run without trouble."""
    began = waits.since or run.started_at
    unexplained = not waits.problem and run.now - began >= min(FIRST_LOOK, child.patience)
    return unexplained or is_over(waits, child, run.now)


def _of_job(pods: Sequence[Body], job: Body, run: Run) -> list[Body]:
    """Return the pods of the attempt that the Job owns: anybody who may create pods can give them its labels."""
    uid = job["metadata"]["uid"]
    return [
        pod
        for pod in pods
        if pod["metadata"]["labels"].get(ATTEMPT_LABEL) == str(run.attempt)
        and any(owner["uid"] == uid for owner in pod["metadata"].get("ownerReferences") or ())
    ]


def _progress(status: Mapping[str, Any], completions: int | None) -> Progress | None:
    """Return the number of finished completions, or None for a Job with one completion."""
    if not completions or completions == 1:
        return None
    succeeded = status.get("succeeded") or 0
    return Progress(
        percent=min(100 * succeeded // completions, 100), message=f"{succeeded} of {completions} completions"
    )
