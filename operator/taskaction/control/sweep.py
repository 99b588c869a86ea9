"""Finds the actions that vanished while the watch was not looking: a missing uid is a deletion (design, section 5)."""

from collections.abc import Callable, Sequence

from taskaction.api.enums import TERMINAL_PHASES
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import Cluster
from taskaction.control.listing import task_actions
from taskaction.control.records import Record, Table
from taskaction.core.clock import Clock

LIVE_SELECTOR = ",".join(f"status.phase!={phase}" for phase in sorted(TERMINAL_PHASES))
"""The field selector of the watch: finished objects cost nothing."""


class Sweeper:
    """Compares the table with a metadata-only list."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        table: Table,
        missing: Callable[[Record], None],
        namespaces: Sequence[str] = (),
    ) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._clock = clock
        self._table = table
        self._missing = missing

    async def sweep(self) -> int:
        """Report every action that the table has and the API server has not; give how many there were.

        An action that came into the table after the list began is not missing, only younger than the list.
        """
        suspects = {record.uid: record for record in self._table}
        live = task_actions(self._cluster, self._namespaces, field_selector=LIVE_SELECTOR, metadata_only=True)
        async for body in live:
            suspects.pop(body["metadata"]["uid"], None)
        missing = [record for uid, record in suspects.items() if self._table.get(uid) is record]
        for record in missing:
            self._missing(record)
        return len(missing)

    async def run(self, interval: float, failed: Callable[[str, BaseException], None]) -> None:
        """Sweep every ``interval`` seconds until cancelled, since a gap may go unnoticed."""
        while True:
            await self._clock.sleep(interval)
            try:
                await self.sweep()
            except ClusterError as error:
                failed("sweep", error)
