"""Pods of the Job of an attempt: those that the watch has shown, and those that the API server has."""

from collections.abc import Mapping, Sequence

from taskaction.cluster.gateway import PODS, Body
from taskaction.executors.acting import Actor
from taskaction.executors.workloads.job_states import has_live_pods
from taskaction.plugin.base import Run
from taskaction.plugin.toolbox import Followed


class JobPods:
    """Reader of the pods of Jobs."""

    def __init__(self, actor: Actor, followed: Followed) -> None:
        self._actor = actor
        self._followed = followed

    def list_observed(self, run: Run, job: Body) -> list[Body]:
        """Return the pods that the watch has shown, also those that had ended before they were deleted."""
        return _pods_of(job, self._followed.list_observed(PODS, run.uid))

    async def read(self, run: Run, job: Body, observed: Sequence[Body], labels: Mapping[str, str]) -> list[Body]:
        """Return the pods that the API server has, selected by ``labels``, and the ``observed`` that have ended.

        Raises:
            AccessDeniedError: the account may not list pods.
        """
        read = _pods_of(job, await self._actor.list_labelled(PODS, job["metadata"]["namespace"], labels, run))
        names = {pod["metadata"]["name"] for pod in read}
        return read + [pod for pod in observed if pod["metadata"]["name"] not in names and not has_live_pods([pod])]


def _pods_of(job: Body, pods: Sequence[Body]) -> list[Body]:
    """Return the pods that the Job owns: anybody who may create pods can give them its labels."""
    uid = job["metadata"]["uid"]
    return [pod for pod in pods if any(owner["uid"] == uid for owner in pod["metadata"].get("ownerReferences") or ())]
