"""``job``: a ``batch/v1`` Job; the Job controller runs the pods, and this executor reads their results."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, assert_never

from taskaction.api.task_action import Progress
from taskaction.cluster.gateway import JOBS, Body
from taskaction.core.clock import Clock
from taskaction.core.constants import UID_LABEL
from taskaction.executors.acting import Actor
from taskaction.executors.child import Child, ChildExecutor
from taskaction.executors.verdicts import Finished, Running, Verdict, Waiting, deletion_failure
from taskaction.executors.workloads.job_pods import JobPods
from taskaction.executors.workloads.job_states import count_missing_pods, has_live_pods, read_job_state
from taskaction.executors.workloads.manifests import job_manifest
from taskaction.executors.workloads.model import JobParameters, read_termination_grace
from taskaction.executors.workloads.pod_fields import is_deleted, status_of
from taskaction.executors.workloads.source import parse_model
from taskaction.executors.workloads.starting import FIRST_LOOK, await_start, is_over
from taskaction.lifecycle.outcomes import Failed, Outcome, Succeeded
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.base import Run
from taskaction.plugin.errors import AccessDeniedError, failure_of
from taskaction.plugin.toolbox import Followed


class JobExecutor(ChildExecutor):
    """Executor that runs a Job to its end; the action owns the Job, so Kubernetes deletes both together."""

    ACTION_NAME = "job"
    PARAMETERS = JobParameters
    CONFIG = JobParameters
    PROPAGATION: ClassVar[str] = "Foreground"  # so that the Job is gone only when its pods are

    def __init__(self, actor: Actor, followed: Followed, clock: Clock) -> None:
        super().__init__(actor, followed, clock)
        self._pods = JobPods(actor, followed)

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
        pods = self._pods.list_observed(run, body)
        found = read_job_state(body, child.body["spec"], pods, container)
        if count_missing_pods(body, pods) or (isinstance(found, Waiting) and _must_read(found, run, child)):
            pods, denied = await self._read_pods(run, child, body, pods, found)
            found = denied or read_job_state(body, child.body["spec"], pods, container)
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

    async def _read_pods(
        self, run: Run, child: Child, job: Body, observed: list[Body], found: Verdict
    ) -> tuple[list[Body], Failed | None]:
        """Return the pods of the Job by the API server.

        Without the permission to list pods, neither the end of a Job is known nor whether a pod has started in time:
        the failure is that of a Job that has ended, or is deleted for that.
        """
        try:
            return await self._pods.read(run, job, observed, {UID_LABEL: run.uid}), None
        except AccessDeniedError as error:
            if isinstance(found, Waiting):
                may_run = not found.problem and status_of(job).get("active")
                if not may_run or not is_over(found, child, run.now):
                    return observed, None
                await self.discard(run, child)
            return observed, failure_of(error)


def _must_read(waits: Waiting, run: Run, child: Child) -> bool:
    """Whether to read the pods of a Job that seems to wait: the watch does not report pods that run without trouble."""
    began = waits.since or run.started_at
    unexplained = not waits.problem and run.now - began >= min(FIRST_LOOK, child.patience)
    return unexplained or is_over(waits, child, run.now)


def _progress(status: Mapping[str, Any], completions: int | None) -> Progress | None:
    """Return the number of finished completions, or None for a Job with one completion."""
    if not completions or completions == 1:
        return None
    succeeded = status.get("succeeded") or 0
    return Progress(
        percent=min(100 * succeeded // completions, 100), message=f"{succeeded} of {completions} completions"
    )
