"""Deletion of finished objects of schedules beyond their history limits, once the history has them."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from taskaction.api.action_schedule import ActionSchedule
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import Body
from taskaction.control.objects.background import Background
from taskaction.control.objects.history import ExpiredObject, History
from taskaction.control.schedules.objects import ScheduledObjects


class ObjectPruner:
    """Deleter of finished objects; one task for each schedule, for which no reconciliation waits.

    The history may take long to answer. What stays for now is found again at the next time of the schedule.
    """

    def __init__(self, objects: ScheduledObjects, history: History, background: Background) -> None:
        self._objects = objects
        self._history = history
        self._background = background
        self._running: set[str] = set()

    def start(self, schedule: ActionSchedule, bodies: Sequence[Body]) -> None:
        """Delete objects in the background, unless a deletion for this schedule is running."""
        uid = schedule.metadata.uid
        if bodies and uid not in self._running:
            self._running.add(uid)
            self._background.start(self._prune(schedule, bodies), name=f"prune ActionSchedule {uid}")

    async def _prune(self, schedule: ActionSchedule, bodies: Sequence[Body]) -> None:
        try:
            for body in bodies:
                if await self._history.may_delete(_to_expired(schedule, body)):
                    with suppress(ClusterError):
                        await self._objects.delete(schedule, body)
        finally:
            self._running.discard(schedule.metadata.uid)


def _to_expired(schedule: ActionSchedule, body: Body) -> ExpiredObject:
    metadata, finished = body["metadata"], (body.get("status") or {}).get("finishedAt")
    return ExpiredObject(
        schedule.spec.template.kind,
        metadata["namespace"],
        metadata["name"],
        metadata["uid"],
        datetime.fromisoformat(finished or metadata["creationTimestamp"]),
    )
