"""``pod``: one pod without a Job; ``pod_states`` interprets its status."""

from collections.abc import Mapping
from typing import Any, assert_never

from taskaction.cluster.gateway import PODS, Body
from taskaction.executors.child import Child, ChildExecutor
from taskaction.executors.verdicts import Finished, Running, Waiting
from taskaction.executors.workloads.manifests import pod_manifest
from taskaction.executors.workloads.model import PodParameters, read_termination_grace
from taskaction.executors.workloads.pod_states import read_pod_state
from taskaction.executors.workloads.source import parse_model
from taskaction.executors.workloads.starting import await_start
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
        return Child(
            resource=PODS,
            body=pod_manifest(parameters, run),
            patience=parameters.start_timeout,
            image_patience=parameters.image_timeout,
        )

    async def judge(self, run: Run, child: Child, body: Body) -> Outcome:
        """Return the outcome by the status of the pod."""
        found = read_pod_state(body, parse_model(PodParameters, run).watched_container)
        match found:
            case Finished(output=output):
                return Succeeded(output=output)
            case Failed():
                return found
            case Running(message=note):
                return self.continue_polling(child, note=note)
            case Waiting():
                return await await_start(self, run, child, found)
            case _:
                assert_never(found)
