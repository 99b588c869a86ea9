"""Lookup of partition keys by executors, once for each action before it is queued; starts no attempt."""

from taskaction.control.objects.background import Background
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import Requests
from taskaction.control.task_actions.calls import ExecutorCaller
from taskaction.control.task_actions.observe import ActionObserver, ExecutorBinding
from taskaction.control.task_actions.owners import ActionOwners
from taskaction.execution.manager import EQUAL_SHARES, ExecutionManager
from taskaction.execution.queue import RunQueue
from taskaction.execution.runs import QueuedRun
from taskaction.lifecycle.outcomes import Failed
from taskaction.lifecycle.placement import source_of


class PartitionLookup:
    """Actions that wait for their executor to find their partition.

    Actions of one source are looked up one after the other in the order of their creation, as if they were in one
    partition; sources do not wait for each other. Actions whose key follows from their spec are never looked up and
    cost nothing.
    """

    def __init__(
        self,
        *,
        background: Background,
        observer: ActionObserver,
        owners: ActionOwners,
        caller: ExecutorCaller,
        manager: ExecutionManager,
        requests: Requests,
    ) -> None:
        """Create the lookup; it requests reconciliation of each action whose result is known."""
        self._background = background
        self._observer = observer
        self._owners = owners
        self._caller = caller
        self._manager = manager
        self._requests = requests
        self._records: dict[str, ActionRecord] = {}
        self._order = RunQueue(EQUAL_SHARES)

    def is_known(self, record: ActionRecord) -> bool:
        """Whether the action's partition is known; a started attempt has recorded it."""
        status = record.status
        return (
            record.partition_asked
            or status.partition_key is not None
            or status.phase.is_started
            or not self._observer.partitions_itself(record.action)
        )

    def expect(self, record: ActionRecord) -> None:
        """Let an action wait in its place until it may be looked up; later actions of its source wait behind it."""
        self._records[record.uid] = record
        self._order.expect(self._to_queued_run(record))
        self._serve()

    def look_up(self, record: ActionRecord) -> None:
        """Find the partition of an action, or why it cannot be found; the record has the result."""
        self._records[record.uid] = record
        self._order.enqueue(self._to_queued_run(record))
        self._serve()

    def forget(self, uid: str) -> None:
        """Remove an action that needs no lookup, or not yet; others need not wait behind it."""
        if self._records.pop(uid, None) is not None:
            self._order.forget(uid)
            self._serve()

    def _serve(self) -> None:
        while (run := self._order.take()) is not None:
            self._background.start(self._take_turn(self._records[run.id]), name=f"partition of {run.id}")

    async def _take_turn(self, record: ActionRecord) -> None:
        try:
            await self._look_up_one(record)
        finally:
            self._records.pop(record.uid, None)
            self._order.forget(record.uid)
            self._order.release_worker(record.uid)
            self._serve()

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
                self._manager.expect(self._observer.to_queued_run(record))  # before the next one is looked up
        self._requests.reconcile_in_order((record,))

    def _to_queued_run(self, record: ActionRecord) -> QueuedRun:
        order = self._observer.to_queued_run(record).order
        return QueuedRun(
            id=record.uid, namespace="", source=source_of(record.action).key, partition="", order=(1, *order[1:])
        )


def _waits(record: ActionRecord) -> bool:
    return record.awaits_partition and not record.is_gone
