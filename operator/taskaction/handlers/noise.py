"""Knows what a watch tells of pods and Jobs that changes nothing for their actions; runs in kopf's thread.

A pod that simply runs to its end is told of five times, its Job four times, and kopf spends a third of a millisecond
on each. What is left out is seen again at the latest by the next look that is due.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from taskaction.executors.workloads.diagnosis import Runs, Waits, standing

_CHANGES = frozenset({"ADDED", "MODIFIED"})  # neither deletions, which are news, nor bookmarks, which are no objects
_HEAD_BYTES = 64
_POD, _JOB = b'"object":{"kind":"Pod"', b'"object":{"kind":"Job"'


class Chatter:
    """Recognises events that need not be looked at."""

    def __init__(self) -> None:
        self._troubled: set[str] = set()  # the uids of pods whose trouble has been told: its end must be, too

    def is_chatter(self, line: bytes) -> bool:
        """Say whether an event of a watch changes nothing for any action."""
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
        match standing(dict(pod), ""):
            case Waits(problem=problem) if problem:
                self._troubled.add(uid)
                return False
            case Waits() | Runs():
                quiet = uid not in self._troubled and "deletionTimestamp" not in pod["metadata"]
                self._troubled.discard(uid)
                return quiet
            case _:
                self._troubled.discard(uid)
                return False


def _is_quiet_job(job: Mapping[str, Any]) -> bool:
    status = job.get("status") or {}
    ended = any(
        condition["type"] in {"Complete", "Failed"} and condition["status"] == "True"
        for condition in status.get("conditions") or ()
    )
    counted = status.get("succeeded") or status.get("failed")
    return not (ended or counted or "deletionTimestamp" in job["metadata"])
