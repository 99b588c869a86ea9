"""Failures of pods and their containers, with messages that a person can act on; pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from taskaction.api.enums import ErrorKind, RetryClass
from taskaction.cluster.gateway import PODS, Body
from taskaction.executors.verdicts import deletion_failure
from taskaction.executors.workloads.pod_fields import (
    condition_of,
    containers_of,
    deletion_requested_at,
    ends_of,
    init_containers_of,
    is_deleted,
    sidecars_of,
    status_of,
    time_of,
)
from taskaction.lifecycle.outcomes import Failed

LOG_LIMIT = 600
_CLUSTER = frozenset(
    {"Evicted", "Preempting", "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "NodeAffinity",
     "UnexpectedAdmissionError"}
)  # fmt: skip
"""Reasons of a pod's failure that the cluster caused, not the program."""
_REJECTED = "Pod was rejected: "
"""Beginning of the message of every pod that a kubelet did not admit, whatever the reason."""
_NO_ROOM = "OutOf"
"""Prefix of the kubelet's reasons if a node has no room after all: OutOfcpu, OutOfexample.com/gpu."""
_OUT_OF_MEMORY = "OOMKilled"
_LOST = "ContainerStatusUnknown"
"""Reason of a container whose end nobody observed, mostly because its node was lost; its exit code is invented."""


def pod_failure(pod: Body) -> Failed:
    """Return the failure of a failed pod."""
    name, status = pod["metadata"]["name"], status_of(pod)
    reason, message = status.get("reason") or "", (status.get("message") or "").strip()
    if reason == "DeadlineExceeded":
        return Failed(
            code="DeadlineExceeded",
            message=f"pod {name!r} did not end within its activeDeadlineSeconds",
            retry_class=RetryClass.TIMEOUT,
        )
    if reason in _CLUSTER or reason.startswith(_NO_ROOM) or message.startswith(_REJECTED):
        return _cluster_failure(
            name, reason or "Rejected", message or condition_of(pod, "DisruptionTarget").get("message")
        )
    if (found := _failed_container(pod)) is not None:
        return container_failure(name, found)
    if (interrupted := find_interruption(pod, "")) is not None:
        return interrupted
    return Failed(code="PodFailed", message=f"pod {name!r} failed: {message or reason or 'no details from Kubernetes'}")


def find_interruption(pod: Body, container: str) -> Failed | None:
    """Return the failure of a pod that was ended from outside while ``container`` ran; None if it ended by itself.

    An empty name stands for all regular containers. A program may handle SIGTERM and exit with 0, so the exit code does
    not tell. Times in a status are whole seconds; an end in the second of the request counts as its effect.
    """
    watched = [one for one in containers_of(pod) if container in {"", one.get("name")}]
    disrupted, name = condition_of(pod, "DisruptionTarget"), pod["metadata"]["name"]
    if not (disrupted or is_deleted(pod)) or (watched and all(_ended_by_itself(pod, one) for one in watched)):
        return None
    if not disrupted:
        return deletion_failure(PODS.kind, f"pod {name!r}")
    return _cluster_failure(name, disrupted.get("reason") or "Disrupted", disrupted.get("message"))


def find_earlier_failure(pod: Body) -> Failed | None:
    """Return how a container of a pod failed before it was restarted; None if none was.

    A controller that gives up after too many restarts deletes the pod, so the last end of the container is its doing.
    """
    for one in (*containers_of(pod), *init_containers_of(pod)):
        before = (one.get("lastState") or {}).get("terminated") or {}
        if before.get("exitCode") not in {0, None}:
            return container_failure(
                pod["metadata"]["name"], {"name": one.get("name"), "state": {"terminated": before}}
            )
    return None


def container_failure(pod: str, container: Mapping[str, Any]) -> Failed:
    """Return the failure of a container by its status; ``pod`` is the name of the pod."""
    ended: Mapping[str, Any] = next(ends_of(container), {})
    code, reason = ended.get("exitCode"), ended.get("reason") or ""
    what = f"container {container.get('name')!r} of pod {pod!r}"
    said = (ended.get("message") or "").strip()
    if reason == _OUT_OF_MEMORY:
        return Failed(
            code="OOMKilled",
            message=f"{what} used more memory than its limit and was killed: raise resources.limits.memory",
        )
    if reason == _LOST:
        return Failed(
            code="ContainerStatusUnknown",
            message=f"the end of {what} was not observed: {said or 'its node may be lost'}",
            kind=ErrorKind.SYSTEM,
            retry_class=RetryClass.SYSTEM,
        )
    if reason in {"ContainerCannotRun", "StartError"}:
        why = said or "no details from the runtime"
        return Failed(code="ContainerCannotRun", message=f"{what} could not be started: {why}", retry_class=None)
    tail = f": {truncated_at_start(said, LOG_LIMIT)}" if said else ""
    return Failed(code="ContainerFailed", message=f"{what} exited with code {code}{tail}")


def truncated_at_start(text: str, limit: int) -> str:
    """Return the end of ``text``, where a program usually reports its error."""
    return text if len(text) <= limit else "…" + text[1 - limit :]


def _cluster_failure(pod: str, code: str, said: str | None) -> Failed:
    return Failed(
        code=code,
        message=f"pod {pod!r} was ended by the cluster ({code}): {said or 'no details from Kubernetes'}",
        kind=ErrorKind.SYSTEM,
        retry_class=RetryClass.SYSTEM,
    )


def _failed_container(pod: Body) -> Mapping[str, Any] | None:
    """Return the container that made a pod fail by itself; one whose end was not observed only if no other did."""
    failed = [one for one in _failed_containers(pod) if _ended_by_itself(pod, one)]
    return min(failed, key=lambda one: next(ends_of(one)).get("reason") == _LOST, default=None)


def _failed_containers(pod: Body) -> Iterator[Mapping[str, Any]]:
    # Sidecars last: they are killed when the others have ended.
    for one in (*containers_of(pod), *init_containers_of(pod), *sidecars_of(pod)):
        ended: Mapping[str, Any] = next(ends_of(one), {})
        # A container whose own processes were killed for memory may exit with 0.
        if ended.get("exitCode") not in {0, None} or ended.get("reason") == _OUT_OF_MEMORY:
            yield one


def _ended_by_itself(pod: Body, container: Mapping[str, Any]) -> bool:
    """Whether a container ended before anybody asked for the end of its pod."""
    disrupted = condition_of(pod, "DisruptionTarget")
    if not disrupted and not is_deleted(pod):
        return True
    asked = (time_of(disrupted.get("lastTransitionTime")), deletion_requested_at(pod))
    stop = min((at for at in asked if at is not None), default=None)
    ended = time_of(next(ends_of(container), {}).get("finishedAt"))
    return ended is not None and stop is not None and ended < stop
