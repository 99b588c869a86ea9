"""Filter for watch events of pods and Jobs that change nothing for their actions; runs in kopf's thread.

A pod that runs to its end without problems has five events, its Job four, and kopf needs a third of a millisecond for
each. The next scheduled poll observes what was filtered out.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from taskaction.executors.verdicts import Running, Waiting
from taskaction.executors.workloads.pod_fields import containers_of, state_of
from taskaction.executors.workloads.pod_states import read_pod_state

_CHANGES = frozenset({"ADDED", "MODIFIED"})  # not deletions, which matter, and not bookmarks, which are not objects
_HEAD_BYTES = 64
_POD, _JOB = b'"object":{"kind":"Pod"', b'"object":{"kind":"Job"'


class NoiseFilter:
    """Filter for events that need no handling."""

    def __init__(self) -> None:
        self._troubled: set[str] = set()  # uids of pods with a reported problem: its end must be reported, too

    def is_noise(self, line: bytes) -> bool:
        """Whether a watch event changes nothing for any action."""
        head = line[:_HEAD_BYTES]
        if _POD in head:
            event = orjson.loads(line)
            return event["type"] in _CHANGES and self._is_quiet_pod(event["object"])
        if _JOB in head:
            event = orjson.loads(line)
            return event["type"] in _CHANGES and _is_quiet_job(event["object"])
        return False

    def _is_quiet_pod(self, pod: Mapping[str, Any]) -> bool:
        uid = pod["metadata"]["uid"]
        match read_pod_state(dict(pod), ""):
            case Waiting(problem=shown) | Running(message=shown) if shown:
                self._troubled.add(uid)
                return False
            case Waiting() | Running():
                told = "deletionTimestamp" in pod["metadata"] or any(map(_has_ended, containers_of(dict(pod))))
                quiet = uid not in self._troubled and not told
                self._troubled.discard(uid)
                return quiet
            case _:
                self._troubled.discard(uid)
                return False


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
