"""Finds the actions that vanished while the watch was not looking: a missing uid is a deletion (design, section 5)."""

from collections.abc import Callable

from taskaction.api.enums import TERMINAL_PHASES
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import TASK_ACTIONS, Cluster
from taskaction.control.records import Record, Table
from taskaction.core.clock import Clock

LIVE_SELECTOR = ",".join(f"status.phase!={phase}" for phase in sorted(TERMINAL_PHASES))
"""The field selector of the watch: finished objects cost nothing."""

_LATE_NOTICES = 600.0


class Sweeper:
    """Compares the table with a metadata-only list."""

    def __init__(self, *, cluster: Cluster, clock: Clock, table: Table, missing: Callable[[Record], None]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._table = table
        self._missing = missing

    async def sweep(self) -> int:
        """Report every action that the table has and the API server has not; give how many there were.

        An action that came into the table after the list began is not missing, only younger than the list.
        """
        suspects = {record.uid: record for record in self._table}
        async for body in self._cluster.list(TASK_ACTIONS, field_selector=LIVE_SELECTOR, metadata_only=True):
            suspects.pop(body["metadata"]["uid"], None)
        missing = [record for uid, record in suspects.items() if self._table.get(uid) is record]
        for record in missing:
            self._missing(record)
        self._forget_late_notices()
        return len(missing)

    async def run(self, interval: float, failed: Callable[[str, BaseException], None]) -> None:
        """Sweep every ``interval`` seconds until cancelled, since a gap may go unnoticed."""
        while True:
            await self._clock.sleep(interval)
            try:
                await self.sweep()
            except ClusterError as error:
                failed("sweep", error)

    def _forget_late_notices(self) -> None:
        """Drop finished uids whose last notice a gap has swallowed."""
        oldest = self._clock.monotonic() - _LATE_NOTICES
        for uid, since in list(self._table.finished.items()):
            if since < oldest:
                del self._table.finished[uid]
