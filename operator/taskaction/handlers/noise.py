"""Filter for watch events of pods and Jobs that change nothing for their actions; runs in kopf's thread.

A pod that runs to its end without problems has five events, its Job four, and kopf needs a third of a millisecond for
each. The next scheduled poll observes what was filtered out.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, TypeVar

import orjson

from taskaction.core.constants import START_ANNOTATION
from taskaction.executors.verdicts import Running, Verdict, Waiting
from taskaction.executors.workloads.pod_fields import containers_of, state_of
from taskaction.executors.workloads.pod_states import read_pod_state

_CHANGES = frozenset({"ADDED", "MODIFIED"})  # not deletions, which matter, and not bookmarks, which are not objects
_NEW = (False, False)
_HEAD_BYTES = 64
_POD, _JOB = b'"object":{"kind":"Pod"', b'"object":{"kind":"Job"'
_KEPT = 10_000
"""Maximum number of remembered pods: a gap of the watch hides deletions. A forgotten pod costs one more event."""
V = TypeVar("V")


class NoiseFilter:
    """Filter for events that need no handling."""

    def __init__(self) -> None:
        self._troubled: OrderedDict[str, None] = OrderedDict()  # pods with a reported problem: report its end, too
        self._stages: OrderedDict[str, tuple[bool, bool]] = OrderedDict()  # how far pods are whose start counts

    def is_noise(self, line: bytes) -> bool:
        """Whether a watch event changes nothing for any action."""
        head = line[:_HEAD_BYTES]
        if _POD in head:
            event = orjson.loads(line)
            pod = event["object"]
            if event["type"] not in _CHANGES:
                self._forget(pod["metadata"].get("uid", ""))
                return False
            verdict = read_pod_state(dict(pod), "")
            quiet, advanced = self._is_quiet_pod(pod, verdict), self._has_advanced(pod, verdict)
            return quiet and not advanced
        if _JOB in head:
            event = orjson.loads(line)
            return event["type"] in _CHANGES and _is_quiet_job(event["object"])
        return False

    def _forget(self, uid: str) -> None:
        self._troubled.pop(uid, None)
        self._stages.pop(uid, None)

    def _has_advanced(self, pod: Mapping[str, Any], verdict: Verdict) -> bool:
        """Whether a pod whose timeouts count from its start has been scheduled, or a container of it has started."""
        metadata, status = pod["metadata"], pod.get("status") or {}
        if START_ANNOTATION not in (metadata.get("annotations") or {}):
            return False
        scheduled = any(
            one["type"] == "PodScheduled" and one["status"] == "True" for one in status.get("conditions") or ()
        )
        before = self._stages.get(metadata["uid"], _NEW)
        stage = scheduled, before[1] or isinstance(verdict, Running)
        _keep(self._stages, metadata["uid"], stage)
        return stage != before

    def _is_quiet_pod(self, pod: Mapping[str, Any], verdict: Verdict) -> bool:
        uid = pod["metadata"]["uid"]
        match verdict:
            case Waiting(problem=shown) | Running(message=shown) if shown:
                _keep(self._troubled, uid, None)
                return False
            case Waiting() | Running():
                told = "deletionTimestamp" in pod["metadata"] or any(map(_has_ended, containers_of(dict(pod))))
                quiet = uid not in self._troubled and not told
                self._troubled.pop(uid, None)
                return quiet
            case _:
                self._troubled.pop(uid, None)
                return False


def _keep(pods: OrderedDict[str, V], uid: str, value: V) -> None:
    """Remember something of a pod, and forget that of the pod which changed least recently if there are too many."""
    pods[uid] = value
    pods.move_to_end(uid)
    if len(pods) > _KEPT:
        pods.popitem(last=False)


def _has_ended(container: Mapping[str, Any]) -> bool:
    """Whether a container has ended, in a pod that continues: it may be the one whose output counts."""
    return state_of(container, "terminated") is not None


def _is_quiet_job(job: Mapping[str, Any]) -> bool:
    status = job.get("status") or {}
    told = any(
        condition["type"] == "Suspended"  # its end matters as well
        or (condition["type"] in {"Complete", "Failed"} and condition["status"] == "True")
        for condition in status.get("conditions") or ()
    )
    counted = status.get("succeeded") or status.get("failed")
    return not (told or counted or "deletionTimestamp" in job["metadata"])
