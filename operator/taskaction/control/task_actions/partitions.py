"""Lookup of partition keys by executors, once for each action before it is queued; queues nothing."""

from collections import deque

from taskaction.control.objects.background import Background
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import Requests
from taskaction.control.task_actions.calls import ExecutorCaller
from taskaction.control.task_actions.observe import ActionObserver, ExecutorBinding
from taskaction.control.task_actions.owners import ActionOwners
from taskaction.lifecycle.outcomes import Failed
from taskaction.lifecycle.placement import source_of


class PartitionLookup:
    """Actions that wait for their executor to find their partition.

    Actions of one source are looked up one after the other, which keeps the order of their arrival; sources do not wait
    for each other. Actions whose key follows from their spec are never looked up and cost nothing.
    """

    def __init__(
        self,
        *,
        background: Background,
        observer: ActionObserver,
        owners: ActionOwners,
        caller: ExecutorCaller,
        requests: Requests,
    ) -> None:
        """Create the lookup; it requests reconciliation of each action whose result is known."""
        self._background = background
        self._observer = observer
        self._owners = owners
        self._caller = caller
        self._requests = requests
        self._waiting: dict[str, deque[ActionRecord]] = {}

    def is_known(self, record: ActionRecord) -> bool:
        """Whether the action's partition is known; a started attempt has recorded it."""
        status = record.status
        return (
            record.partition_asked
            or status.partition_key is not None
            or status.phase.is_started
            or not self._observer.partitions_itself(record.action)
        )

    def look_up(self, record: ActionRecord) -> None:
        """Find the partition of an action, or why it cannot be found; the record has the result."""
        source = source_of(record.action).key
        waiting = self._waiting.get(source)
        if waiting is not None:
            waiting.append(record)
            return
        waiting = self._waiting[source] = deque([record])
        self._background.start(self._look_up_all(source, waiting), name=f"partitions of {source}")

    async def _look_up_all(self, source: str, waiting: deque[ActionRecord]) -> None:
        try:
            while waiting:
                await self._look_up_one(waiting.popleft())
        finally:
            del self._waiting[source]

    async def _look_up_one(self, record: ActionRecord) -> None:
        owner = self._owners.current(record)
        binding = self._observer.bind_executor(record.action)
        if owner is None or not _waits(record) or not isinstance(binding, ExecutorBinding):
            return  # suspended, deleted, or moved to another process: its next owner looks it up again
        if not self.is_known(record):
            observed = self._observer.observe_action(record, owner)
            key = await self._caller.find_partition_key(record, binding, observed)
            if not _waits(record):
                return
            if isinstance(key, Failed):
                record.fail_partition(key)
            else:
                record.set_partition(key)
        self._requests.reconcile_in_order((record,))


def _waits(record: ActionRecord) -> bool:
    return record.awaits_partition and not record.is_gone
