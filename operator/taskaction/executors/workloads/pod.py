"""``pod``: one pod, without a Job around it; what its status means is ``diagnosis``'s business."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, assert_never

from taskaction.api.enums import ErrorKind
from taskaction.api.task_action import Progress
from taskaction.cluster.gateway import PODS, Body
from taskaction.core.durations import format_duration
from taskaction.executors.child import Child, ChildExecutor, created_at, gone
from taskaction.executors.workloads.diagnosis import Done, Runs, Waits, standing
from taskaction.executors.workloads.manifests import pod_manifest
from taskaction.executors.workloads.model import PodParameters, farewell
from taskaction.executors.workloads.source import model_of
from taskaction.lifecycle.outcomes import Failed, Outcome, Succeeded
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.base import Run


class PodExecutor(ChildExecutor):
    """Runs a pod to its end; the action owns it, so it goes with the action."""

    ACTION_NAME = "pod"
    PARAMETERS = PodParameters
    CONFIG = PodParameters

    def traits(self, parameters: Mapping[str, Any], config: Mapping[str, Any]) -> Traits:
        """Kubernetes removes what the action owns; until then a pod has its grace."""
        return Traits(idempotent=True, external_effect=False, farewell=farewell(config or parameters))

    async def child(self, run: Run) -> Child:
        """Give the attempt's pod."""
        parameters = model_of(PodParameters, run)
        return Child(resource=PODS, body=pod_manifest(parameters, run), patience=parameters.start_timeout)

    async def judge(self, run: Run, child: Child, body: Body) -> Outcome:
        """Say how the action stands by its pod's status."""
        found = standing(body, model_of(PodParameters, run).watched_container)
        match found:
            case Done(output=output):
                return Succeeded(output=output)
            case Failed():
                deleted = "deletionTimestamp" in body["metadata"]
                return gone(PODS.kind, child.title) if deleted and found.kind is ErrorKind.USER else found
            case Runs():
                return self.goes_on(child)
            case Waits():
                return await still_starting(self, run, child, body, found)
            case _:
                assert_never(found)


async def still_starting(
    executor: ChildExecutor, run: Run, child: Child, body: Body, waits: Waits, *, progress: Progress | None = None
) -> Outcome:
    """Let what has not started wait for as long as it may; then it is discarded, and the attempt has failed."""
    left = child.patience - (run.now - created_at(body))
    late = _too_late(waits, left, child)
    if late is None:
        return executor.goes_on(child, problem=waits.problem, progress=progress, within=left)
    await executor.discard(run, child)
    return late


def _too_late(waits: Waits, left: timedelta, child: Child) -> Failed | None:
    """Give the failure of what has waited for its start for too long, None while it may wait."""
    if waits.hopeless:
        return Failed(code="CannotStart", message=waits.problem, retry_class=None)
    if left > timedelta():
        return None
    limit = format_duration(child.patience)
    problem = waits.problem or f"{child.title} is still being started"
    return Failed(code="StartTimeout", message=f"nothing started within startTimeout ({limit}): {problem}")
