"""Detection of deletions that the watch missed: an action or run that a list does not show was deleted."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from taskaction.api.enums import TERMINAL_PHASES
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import Cluster, Resource
from taskaction.control.objects.listing import list_objects
from taskaction.control.objects.owned import OwnedRecord
from taskaction.control.objects.tables import RecordTable
from taskaction.core.clock import Clock

R = TypeVar("R", bound=OwnedRecord)
LIVE_SELECTOR = ",".join(f"status.phase!={phase}" for phase in sorted(TERMINAL_PHASES))
"""The field selector of the watch: finished objects stay out of memory."""


class DeletionSweeper(Generic[R]):
    """Periodic comparison of the table with a metadata-only list."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        resource: Resource,
        table: RecordTable[R],
        missing: Callable[[R], None],
        namespaces: Sequence[str] = (),
    ) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._clock = clock
        self._resource = resource
        self._table = table
        self._missing = missing

    async def sweep(self) -> int:
        """Report every object that the table has and the API server has not; return their number.

        An object that entered the table after the list began is newer than the list, and so not missing.
        """
        suspects = {record.uid: record for record in self._table}
        live = list_objects(
            self._cluster, self._resource, self._namespaces, field_selector=LIVE_SELECTOR, metadata_only=True
        )
        async for body in live:
            suspects.pop(body["metadata"]["uid"], None)
        missing = [record for uid, record in suspects.items() if self._table.get(uid) is record]
        for record in missing:
            self._missing(record)
        return len(missing)

    async def run(self, interval: float, failed: Callable[[str, BaseException], None]) -> None:
        """Sweep every ``interval`` seconds until cancelled, since a gap of the watch may go unnoticed."""
        while True:
            await self._clock.sleep(interval)
            try:
                await self.sweep()
            except ClusterError as error:
                failed("sweep", error)
