"""Asks executors that find partition keys themselves, once for each action, before it is queued; queues nothing."""

from collections import deque
from collections.abc import Awaitable, Callable

from taskaction.control.objects.background import Background
from taskaction.control.objects.records import Record
from taskaction.control.task_actions.calls import Caller
from taskaction.control.task_actions.observe import Binding, Gatherer
from taskaction.lifecycle.outcomes import Failed
from taskaction.lifecycle.placement import source_of
from taskaction.lifecycle.state import Activity, Observed


class Partitions:
    """Knows which actions wait for their executor to say in which partition they are.

    The actions of one source are asked one after the other, so that their order stays that of their arrival; sources do
    not wait for each other. Actions whose key follows from their spec are never asked and cost nothing.
    """

    def __init__(
        self,
        *,
        background: Background,
        gatherer: Gatherer,
        caller: Caller,
        observe: Callable[[Record], Observed | None],
        found: Callable[[Record], None],
        failed: Callable[[Record, Failed], Awaitable[None]],
    ) -> None:
        self._background = background
        self._gatherer = gatherer
        self._caller = caller
        self._observe = observe
        self._found = found
        self._failed = failed
        self._waiting: dict[str, deque[Record]] = {}

    def is_known(self, record: Record) -> bool:
        """Say whether the action's partition is known; that of an attempt under way is on record."""
        status = record.status
        return (
            record.partition_asked
            or status.partition_key is not None
            or status.phase.started
            or not self._gatherer.partitions_itself(record.action)
        )

    def ask(self, record: Record) -> None:
        """Find the partition; the action goes on, or fails, when it is known."""
        source = source_of(record.action).key
        waiting = self._waiting.get(source)
        if waiting is not None:
            waiting.append(record)
            return
        waiting = self._waiting[source] = deque([record])
        self._background.start(self._ask_all(source, waiting), name=f"partitions of {source}")

    async def _ask_all(self, source: str, waiting: deque[Record]) -> None:
        try:
            while waiting:
                await self._answered(waiting.popleft())
        finally:
            del self._waiting[source]

    async def _answered(self, record: Record) -> None:
        observed = self._observe(record) if record.activity is Activity.QUEUED else None
        binding = self._gatherer.binding(record.action)
        if observed is None or not isinstance(binding, Binding):
            return  # held back, gone, or another process's meanwhile: who takes it up asks again
        if not self.is_known(record):
            key = await self._caller.partition(record, binding, observed)
            if record.gone or record.activity is not Activity.QUEUED:
                return
            if isinstance(key, Failed):
                await self._failed(record, key)
                return
            record.partition_asked = True
            record.status = record.status.model_copy(update={"partition_key": key})
        self._found(record)
