"""What becomes of an attempt by what its pod and its program have left behind; pure.

Flyte's program ends well whenever it could say what went wrong: its exit code alone tells nothing of the task.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from taskaction.api.enums import ErrorKind, RetryClass
from taskaction.cluster.gateway import Body
from taskaction.executors.workloads.diagnosis import Done, Standing, container_failure, standing
from taskaction.lifecycle.outcomes import Failed

if TYPE_CHECKING:
    from flyteidl2.core.execution_pb2 import ContainerError

_KILLED = 137
_RECOVERABLE, _SYSTEM = 1, 2
"""Flyte's numbers: an error after which a retry may help, and one that is the platform's."""
_OWN_ERRORS = frozenset({"ContainerFailed", "PodFailed"})


def task_standing(pod: Body, primary: str) -> Standing:
    """Give how the task stands: when its own container has ended, sidecars that go on are nobody's concern."""
    found = standing(pod, primary)
    ended = _ended(pod, primary)
    if isinstance(found, Failed):
        return _lost(found, pod, primary) if _is_killed(found, ended) else found
    if not ended or isinstance(found, Done):
        return found
    if ended.get("exitCode") == 0:
        return Done()
    failed = container_failure(pod["metadata"]["name"], {"name": primary, "state": {"terminated": ended}})
    return _lost(failed, pod, primary) if _is_killed(failed, ended) else failed


def goes_on(pod: Body) -> bool:
    """Say whether anything of the pod may still run."""
    return (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}


def ended_at(pod: Body, primary: str) -> str:
    """Give when the task's container ended, as the kubelet says; empty where it does not."""
    return str(_ended(pod, primary).get("finishedAt") or "")


def says_why(failed: Failed) -> bool:
    """Say whether the program itself may have left an error; what the cluster ended has only half of one."""
    return failed.code in _OWN_ERRORS and failed.kind is ErrorKind.USER


def own_failure(error: "ContainerError") -> Failed:
    """Give the failure that the program has described."""
    system = error.origin == _SYSTEM
    retry = RetryClass.SYSTEM if system else RetryClass.ERROR
    return Failed(
        code=re.sub(r"[^A-Za-z0-9]", "", error.code) or "TaskFailed",
        message=error.message or "the task failed, and says no more",
        kind=ErrorKind.SYSTEM if system else ErrorKind.USER,
        retry_class=retry if error.kind == _RECOVERABLE else None,
    )


def without_outputs(address: str) -> Failed:
    """Give the failure of a task that ended well and left nothing."""
    return Failed(
        code="OutputsNotFound",
        message=f"the task ended well and left neither outputs nor an error: there is no {address}",
    )


def _is_killed(failed: Failed, ended: Mapping[str, Any]) -> bool:
    return ended.get("exitCode") == _KILLED and failed.code == "ContainerFailed"


def _lost(failed: Failed, pod: Body, primary: str) -> Failed:
    """Give the failure of a container that was killed, and not for its memory: by its node, or somebody on it."""
    name = pod["metadata"]["name"]
    return Failed(
        code="Interrupted",
        message=f"container {primary!r} of pod {name!r} was killed from outside: {failed.message}",
        kind=ErrorKind.SYSTEM,
        retry_class=RetryClass.SYSTEM,
    )


def _ended(pod: Body, primary: str) -> Mapping[str, Any]:
    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        if one.get("name") == primary:
            return (one.get("state") or {}).get("terminated") or {}
    return {}
