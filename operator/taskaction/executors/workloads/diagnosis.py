"""How a pod stands, in words that a person can act on; pure: reads a pod's status, decides nothing about the action."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from taskaction.api.enums import ErrorKind, RetryClass
from taskaction.cluster.gateway import Body
from taskaction.core.names import truncated
from taskaction.lifecycle.outcomes import Failed

_LOG_LIMIT = 600
_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""Reasons of waiting that no waiting mends."""
_STARTING = frozenset({"ContainerCreating", "PodInitializing", ""})
"""Reasons of waiting that are nobody's problem."""
_SYSTEM = frozenset(
    {"Evicted", "Preempting", "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "NodeAffinity",
     "UnexpectedAdmissionError"}
)  # fmt: skip
"""Reasons of a pod's failure that are the cluster's and not the program's."""
_NO_ROOM = "OutOf"
"""How the kubelet's reasons begin where a node has no room after all: OutOfcpu, OutOfexample.com/gpu."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The pod has not begun; ``problem`` says what keeps it, empty where it is only starting."""

    problem: str = ""
    hopeless: bool = False


@dataclass(frozen=True, slots=True)
class Runs:
    """The pod runs."""


@dataclass(frozen=True, slots=True)
class Done:
    """The pod has succeeded; ``output`` is what its container left behind."""

    output: Any = None


Standing = Waits | Runs | Done | Failed


def standing(pod: Body, container: str) -> Standing:
    """Give how ``pod`` stands; ``container`` is the one whose termination message is the output."""
    status: Mapping[str, Any] = pod.get("status") or {}
    match status.get("phase"):
        case "Succeeded":
            return Done(output_of(pod, container))
        case "Failed":
            return failure(pod)
        case "Running":
            return Runs()
        case _:
            return _waits(pod, status)


def output_of(pod: Body, container: str) -> Any:
    """Give the termination message of ``container``: as JSON where it is that, else as text; None where it is empty."""
    text = next(
        (
            _terminated(one).get("message") or ""
            for one in (pod.get("status") or {}).get("containerStatuses") or ()
            if one.get("name") == container
        ),
        "",
    )
    if not text.strip():
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text.rstrip("\n")


def failure(pod: Body) -> Failed:
    """Give why a failed pod failed."""
    name = pod["metadata"]["name"]
    status: Mapping[str, Any] = pod.get("status") or {}
    reason, message = status.get("reason") or "", (status.get("message") or "").strip()
    disrupted = _condition(status, "DisruptionTarget")
    if reason == "DeadlineExceeded":
        return Failed(
            code="DeadlineExceeded",
            message=f"pod {name!r} did not end within its activeDeadlineSeconds",
            retry_class=RetryClass.TIMEOUT,
        )
    if reason in _SYSTEM or reason.startswith(_NO_ROOM) or disrupted:
        code = reason or str(disrupted.get("reason") or "Disrupted")
        said = message or disrupted.get("message") or "the node gave it up"
        return Failed(
            code=code,
            message=f"pod {name!r} was ended by the cluster ({code}): {said}",
            kind=ErrorKind.SYSTEM,
            retry_class=RetryClass.SYSTEM,
        )
    # Init containers last: sidecars are some, and are killed when the others have ended.
    for one in _containers(status, "containerStatuses", "initContainerStatuses"):
        if _terminated(one).get("exitCode") not in {0, None}:
            return container_failure(name, one)
    return Failed(code="PodFailed", message=f"pod {name!r} failed: {message or reason or 'Kubernetes says no more'}")


def container_failure(pod: str, container: Mapping[str, Any]) -> Failed:
    """Give why a container failed, by its status; ``pod`` is the pod's name."""
    ended = _terminated(container)
    code, reason = ended["exitCode"], ended.get("reason") or ""
    what = f"container {container.get('name')!r} of pod {pod!r}"
    if reason == "OOMKilled":
        return Failed(
            code="OOMKilled",
            message=f"{what} used more memory than its limit and was killed: raise resources.limits.memory",
        )
    said = (ended.get("message") or "").strip()
    if reason in {"ContainerCannotRun", "StartError"}:
        why = said or "the runtime says no more"
        return Failed(code="ContainerCannotRun", message=f"{what} could not be started: {why}", retry_class=None)
    tail = f": {truncated_at_start(said, _LOG_LIMIT)}" if said else ""
    return Failed(code="ContainerFailed", message=f"{what} exited with code {code}{tail}")


def _waits(pod: Body, status: Mapping[str, Any]) -> Waits:
    name = pod["metadata"]["name"]
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        said = scheduled.get("message") or scheduled.get("reason") or "Kubernetes says no more"
        return Waits(f"pod {name!r} cannot be scheduled: {said}")
    for one in _containers(status, "initContainerStatuses", "containerStatuses"):
        waiting = (one.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason") or ""
        if reason not in _STARTING:
            said = truncated((waiting.get("message") or "").strip(), _LOG_LIMIT)
            what = f"container {one.get('name')!r} of pod {name!r} waits: {reason}"
            return Waits(f"{what}: {said}" if said else what, hopeless=reason in _HOPELESS)
    return Waits()


def _containers(status: Mapping[str, Any], *fields: str) -> Sequence[Mapping[str, Any]]:
    return [one for field in fields for one in status.get(field) or ()]


def _terminated(container: Mapping[str, Any]) -> Mapping[str, Any]:
    return (container.get("state") or {}).get("terminated") or {}


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Give a condition; an empty one where it is not there, or a disruption that has been called off."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == kind and (kind != "DisruptionTarget" or condition.get("status") == "True"):
            return dict(condition)
    return {}


def truncated_at_start(text: str, limit: int) -> str:
    """Give the end of ``text``, where a program says why it gave up."""
    return text if len(text) <= limit else "…" + text[1 - limit :]
