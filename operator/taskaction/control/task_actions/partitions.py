"""Lookup of partition keys by executors, once for each action before it is queued; queues nothing."""

from collections import deque
from collections.abc import Awaitable, Callable

from taskaction.control.objects.background import Background
from taskaction.control.objects.records import ActionRecord
from taskaction.control.task_actions.calls import ExecutorCaller
from taskaction.control.task_actions.observe import ActionObserver, ExecutorBinding
from taskaction.lifecycle.outcomes import Failed
from taskaction.lifecycle.placement import source_of
from taskaction.lifecycle.state import Activity, Observed


class PartitionLookup:
    """Actions that wait for their executor to find their partition.

    Actions of one source are looked up one after the other, which keeps the order of their arrival; sources do not wait
    for each other. Actions whose key follows from their spec are never looked up and cost nothing.
    """

    def __init__(
        self,
        *,
        background: Background,
        gatherer: ActionObserver,
        caller: ExecutorCaller,
        observe: Callable[[ActionRecord], Observed | None],
        found: Callable[[ActionRecord], None],
        failed: Callable[[ActionRecord, Failed], Awaitable[None]],
    ) -> None:
        self._background = background
        self._gatherer = gatherer
        self._caller = caller
        self._observe = observe
        self._found = found
        self._failed = failed
        self._waiting: dict[str, deque[ActionRecord]] = {}

    def is_known(self, record: ActionRecord) -> bool:
        """Whether the action's partition is known; a started attempt has recorded it."""
        status = record.status
        return (
            record.partition_asked
            or status.partition_key is not None
            or status.phase.is_started
            or not self._gatherer.partitions_itself(record.action)
        )

    def look_up(self, record: ActionRecord) -> None:
        """Find the partition of an action; it continues, or fails, when the result is known."""
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
        observed = self._observe(record) if record.activity is Activity.QUEUED else None
        binding = self._gatherer.bind_executor(record.action)
        if observed is None or not isinstance(binding, ExecutorBinding):
            return  # suspended, deleted, or moved to another process: its next owner looks it up again
        if not self.is_known(record):
            key = await self._caller.find_partition_key(record, binding, observed)
            if record.is_gone or record.activity is not Activity.QUEUED:
                return
            if isinstance(key, Failed):
                await self._failed(record, key)
                return
            record.partition_asked = True
            record.status = record.status.model_copy(update={"partition_key": key})
        self._found(record)
