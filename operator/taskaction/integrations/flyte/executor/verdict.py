"""The result of an attempt by its pod and by the files of its program; pure.

Flyte's program exits with 0 whenever it could write an error file, so the exit code alone does not tell the result.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from taskaction.api.enums import ErrorKind, RetryClass
from taskaction.cluster.gateway import Body
from taskaction.executors.verdicts import Finished, Verdict
from taskaction.executors.workloads.pod_failures import container_failure
from taskaction.executors.workloads.pod_states import read_pod_state
from taskaction.lifecycle.outcomes import Failed

if TYPE_CHECKING:
    from flyteidl2.core.execution_pb2 import ContainerError

_KILLED = 137
_RECOVERABLE, _SYSTEM = 1, 2
"""Flyte's numbers: an error after which a retry may help, and one that is the platform's."""
_OWN_ERRORS = frozenset({"ContainerFailed", "PodFailed"})


def read_task_state(pod: Body, primary: str) -> Verdict:
    """Return the state of the task: its own container decides, even while sidecars still run."""
    found = read_pod_state(pod, primary)
    ended = _terminated_state(pod, primary)
    if isinstance(found, Failed):
        return _interruption_failure(found, pod, primary) if _is_killed(found, ended) else found
    if not ended or isinstance(found, Finished):
        return found
    if ended.get("exitCode") == 0:
        return Finished()
    failed = container_failure(pod["metadata"]["name"], {"name": primary, "state": {"terminated": ended}})
    return _interruption_failure(failed, pod, primary) if _is_killed(failed, ended) else failed


def is_running(pod: Body) -> bool:
    """Whether any container of the pod may still run."""
    return (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}


def has_node(pod: Body) -> bool:
    """Whether the pod is scheduled: Flyte counts the time before as queued."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "PodScheduled" and one.get("status") == "True" for one in conditions)


def finished_at(pod: Body, primary: str) -> str:
    """Return when the task's container ended by the kubelet's report, or an empty text."""
    return str(_terminated_state(pod, primary).get("finishedAt") or "")


def has_own_error(failed: Failed) -> bool:
    """Whether the program may have written an error file; a pod that the cluster ended may have a partial one."""
    return failed.code in _OWN_ERRORS and failed.kind is ErrorKind.USER


def own_failure(error: "ContainerError") -> Failed:
    """Return the failure of the program's error file."""
    system = error.origin == _SYSTEM
    retry = RetryClass.SYSTEM if system else RetryClass.ERROR
    return Failed(
        code=re.sub(r"[^A-Za-z0-9]", "", error.code) or "TaskFailed",
        message=error.message or "the task failed without an error message",
        kind=ErrorKind.SYSTEM if system else ErrorKind.USER,
        retry_class=retry if error.kind == _RECOVERABLE else None,
    )


def missing_outputs_failure(address: str) -> Failed:
    """Return the failure of a task that succeeded without outputs."""
    return Failed(
        code="OutputsNotFound",
        message=f"the task ended well and left neither outputs nor an error: there is no {address}",
    )


def _is_killed(failed: Failed, ended: Mapping[str, Any]) -> bool:
    return ended.get("exitCode") == _KILLED and failed.code == "ContainerFailed"


def _interruption_failure(failed: Failed, pod: Body, primary: str) -> Failed:
    """Return the failure of a container that was killed for another reason than memory, by its node or a person."""
    name = pod["metadata"]["name"]
    return Failed(
        code="Interrupted",
        message=f"container {primary!r} of pod {name!r} was killed from outside: {failed.message}",
        kind=ErrorKind.SYSTEM,
        retry_class=RetryClass.SYSTEM,
    )


def _terminated_state(pod: Body, primary: str) -> Mapping[str, Any]:
    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        if one.get("name") == primary:
            return (one.get("state") or {}).get("terminated") or {}
    return {}
