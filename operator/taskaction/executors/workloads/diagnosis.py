"""The state of a pod, with messages that a person can act on; pure: reads the pod's status, decides no outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from taskaction.api.enums import ErrorKind, RetryClass
from taskaction.cluster.gateway import Body
from taskaction.core.names import truncate
from taskaction.lifecycle.outcomes import Failed

_LOG_LIMIT = 600
_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""Waiting reasons that never resolve by themselves."""
_STARTING = frozenset({"ContainerCreating", "PodInitializing", ""})
"""Waiting reasons of a normal start."""
_SYSTEM = frozenset(
    {"Evicted", "Preempting", "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "NodeAffinity",
     "UnexpectedAdmissionError"}
)  # fmt: skip
"""Reasons of a pod's failure that the cluster caused, not the program."""
_NO_ROOM = "OutOf"
"""Prefix of the kubelet's reasons if a node has no room after all: OutOfcpu, OutOfexample.com/gpu."""


@dataclass(frozen=True, slots=True)
class PodWaiting:
    """State of a pod that has not started; ``problem`` is what keeps it, empty during a normal start."""

    problem: str = ""
    hopeless: bool = False


@dataclass(frozen=True, slots=True)
class PodRunning:
    """State of a running pod."""


@dataclass(frozen=True, slots=True)
class PodSucceeded:
    """State of a pod that has succeeded; ``output`` is the termination message of its container."""

    output: Any = None


Standing = PodWaiting | PodRunning | PodSucceeded | Failed


def read_pod_state(pod: Body, container: str) -> Standing:
    """Return the state of ``pod``; the output is the termination message of ``container``."""
    status: Mapping[str, Any] = pod.get("status") or {}
    match status.get("phase"):
        case "Succeeded":
            return PodSucceeded(output_of(pod, container))
        case "Failed":
            return pod_failure(pod)
        case "Running":
            return PodRunning()
        case _:
            return _read_waiting(pod, status)


def output_of(pod: Body, container: str) -> Any:
    """Return the termination message of ``container``: JSON if it is valid, otherwise text; None if it is empty."""
    text = next(
        (
            _terminated_state(one).get("message") or ""
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


def pod_failure(pod: Body) -> Failed:
    """Return the failure of a failed pod."""
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
        said = message or disrupted.get("message") or "no details from Kubernetes"
        return Failed(
            code=code,
            message=f"pod {name!r} was ended by the cluster ({code}): {said}",
            kind=ErrorKind.SYSTEM,
            retry_class=RetryClass.SYSTEM,
        )
    # Init containers last: sidecars are some, and are killed when the others have ended.
    for one in _containers(status, "containerStatuses", "initContainerStatuses"):
        if _terminated_state(one).get("exitCode") not in {0, None}:
            return container_failure(name, one)
    return Failed(code="PodFailed", message=f"pod {name!r} failed: {message or reason or 'no details from Kubernetes'}")


def container_failure(pod: str, container: Mapping[str, Any]) -> Failed:
    """Return the failure of a container by its status; ``pod`` is the name of the pod."""
    ended = _terminated_state(container)
    code, reason = ended["exitCode"], ended.get("reason") or ""
    what = f"container {container.get('name')!r} of pod {pod!r}"
    if reason == "OOMKilled":
        return Failed(
            code="OOMKilled",
            message=f"{what} used more memory than its limit and was killed: raise resources.limits.memory",
        )
    said = (ended.get("message") or "").strip()
    if reason in {"ContainerCannotRun", "StartError"}:
        why = said or "no details from the runtime"
        return Failed(code="ContainerCannotRun", message=f"{what} could not be started: {why}", retry_class=None)
    tail = f": {truncated_at_start(said, _LOG_LIMIT)}" if said else ""
    return Failed(code="ContainerFailed", message=f"{what} exited with code {code}{tail}")


def _read_waiting(pod: Body, status: Mapping[str, Any]) -> PodWaiting:
    name = pod["metadata"]["name"]
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        said = scheduled.get("message") or scheduled.get("reason") or "no details from Kubernetes"
        return PodWaiting(f"pod {name!r} cannot be scheduled: {said}")
    for one in _containers(status, "initContainerStatuses", "containerStatuses"):
        waiting = (one.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason") or ""
        if reason not in _STARTING:
            said = truncate((waiting.get("message") or "").strip(), _LOG_LIMIT)
            what = f"container {one.get('name')!r} of pod {name!r} is waiting: {reason}"
            return PodWaiting(f"{what}: {said}" if said else what, hopeless=reason in _HOPELESS)
    return PodWaiting()


def _containers(status: Mapping[str, Any], *fields: str) -> Sequence[Mapping[str, Any]]:
    return [one for field in fields for one in status.get(field) or ()]


def _terminated_state(container: Mapping[str, Any]) -> Mapping[str, Any]:
    return (container.get("state") or {}).get("terminated") or {}


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return a condition; an empty one if it is missing, or if it is a disruption with a status other than True."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == kind and (kind != "DisruptionTarget" or condition.get("status") == "True"):
            return dict(condition)
    return {}


def truncated_at_start(text: str, limit: int) -> str:
    """Return the end of ``text``, where a program usually reports its error."""
    return text if len(text) <= limit else "…" + text[1 - limit :]
