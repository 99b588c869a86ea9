"""``pod``: one pod without a Job; ``diagnosis`` interprets its status."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, assert_never

from taskaction.api.enums import ErrorKind
from taskaction.api.task_action import Progress
from taskaction.cluster.gateway import PODS, Body
from taskaction.core.durations import format_duration
from taskaction.executors.child import Child, ChildExecutor, created_at, deletion_failure
from taskaction.executors.workloads.diagnosis import PodRunning, PodSucceeded, PodWaiting, read_pod_state
from taskaction.executors.workloads.manifests import pod_manifest
from taskaction.executors.workloads.model import PodParameters, read_termination_grace
from taskaction.executors.workloads.source import parse_model
from taskaction.lifecycle.outcomes import Failed, Outcome, Succeeded
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.base import Run


class PodExecutor(ChildExecutor):
    """Executor that runs a pod to its end; the action owns the pod, so Kubernetes deletes both together."""

    ACTION_NAME = "pod"
    PARAMETERS = PodParameters
    CONFIG = PodParameters

    def traits(self, parameters: Mapping[str, Any], config: Mapping[str, Any]) -> Traits:
        """Report no external effect: Kubernetes deletes what the action owns, after the grace period of the pod."""
        return Traits(
            idempotent=True, external_effect=False, extra_cancel_grace=read_termination_grace(config or parameters)
        )

    async def child(self, run: Run) -> Child:
        """Return the pod of the attempt."""
        parameters = parse_model(PodParameters, run)
        return Child(resource=PODS, body=pod_manifest(parameters, run), patience=parameters.start_timeout)

    async def judge(self, run: Run, child: Child, body: Body) -> Outcome:
        """Return the outcome by the status of the pod."""
        found = read_pod_state(body, parse_model(PodParameters, run).watched_container)
        match found:
            case PodSucceeded(output=output):
                return Succeeded(output=output)
            case Failed():
                deleted = "deletionTimestamp" in body["metadata"]
                return deletion_failure(PODS.kind, child.title) if deleted and found.kind is ErrorKind.USER else found
            case PodRunning():
                return self.continue_polling(child)
            case PodWaiting():
                return await await_start(self, run, child, body, found)
            case _:
                assert_never(found)


async def await_start(
    executor: ChildExecutor, run: Run, child: Child, body: Body, waits: PodWaiting, *, progress: Progress | None = None
) -> Outcome:
    """Wait for the start of a workload; after its start timeout, delete it and return the failure."""
    left = child.patience - (run.now - created_at(body))
    late = _start_failure(waits, left, child)
    if late is None:
        return executor.continue_polling(child, problem=waits.problem, progress=progress, within=left)
    await executor.discard(run, child)
    return late


def _start_failure(waits: PodWaiting, left: timedelta, child: Child) -> Failed | None:
    """Return the failure of a workload that cannot start or exceeds its start timeout, None while it may wait."""
    if waits.hopeless:
        return Failed(code="CannotStart", message=waits.problem, retry_class=None)
    if left > timedelta():
        return None
    limit = format_duration(child.patience)
    problem = waits.problem or f"{child.title} is still starting"
    return Failed(code="StartTimeout", message=f"nothing started within startTimeout ({limit}): {problem}")
