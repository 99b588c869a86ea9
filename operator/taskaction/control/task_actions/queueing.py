"""Queueing of actions for workers: their places in partitions and in the execution manager; decides nothing."""

from datetime import datetime

from taskaction.control.objects.records import ActionRecord
from taskaction.control.providers.quotas import ProviderQuotas
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.control.task_actions.observe import ActionObserver
from taskaction.control.task_actions.partitions import PartitionLookup
from taskaction.core.clock import Clock
from taskaction.execution.manager import ExecutionManager
from taskaction.lifecycle.state import Activity

_WAITING = frozenset({Activity.QUEUED, Activity.PARKED})
_PLACED = frozenset({Activity.IDLE, Activity.CANCELLING})
"""What an action without an attempt on record does while it keeps its place and needs no worker."""


class Queueing:
    """Queue of actions for workers, on top of the execution manager.

    An action has a place in its partition from when it is first heard of until it ends, and later actions wait behind
    it, whatever keeps it from starting. The exception is an action that its user has suspended before it started.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        observer: ActionObserver,
        tenures: ShardTenures,
        partitions: PartitionLookup,
        quotas: ProviderQuotas,
        manager: ExecutionManager,
    ) -> None:
        self._clock = clock
        self._observer = observer
        self._tenures = tenures
        self._partitions = partitions
        self._quotas = quotas
        self._manager = manager

    def keep_place(self, record: ActionRecord) -> None:
        """Keep the place of an action that this process owns and that may not start yet."""
        if record.activity not in _PLACED or record.status.phase.is_terminal:
            return
        if not self._tenures.owns(record.shard):
            return
        if record.action.spec.suspend and not record.status.attempt:
            self._partitions.forget(record.uid)
            self._manager.forget(record.uid)
        elif self._partitions.is_known(record):
            self._manager.expect(self._observer.to_queued_run(record))
        else:
            self._partitions.expect(record)

    def enqueue(self, record: ActionRecord) -> None:
        """Queue an action for a worker, after its partition is known."""
        known = self._partitions.is_known(record)
        record.enqueue(self._clock.monotonic(), awaits_partition=not known)
        if known:
            self._manager.submit(self._observer.to_queued_run(record))
        else:
            self._partitions.look_up(record)

    def is_partition_known(self, record: ActionRecord) -> bool:
        """Whether the partition of an action is known, so that it can be queued."""
        return self._partitions.is_known(record)

    def submit_found(self, record: ActionRecord) -> None:
        """Queue an action whose partition was found."""
        record.submit()
        self._manager.submit(self._observer.to_queued_run(record))

    def park(self, record: ActionRecord, at: datetime, key: str) -> None:
        """Park an action without a worker until its target's quota ``key`` is renewed."""
        record.park(self._clock.monotonic())
        run = self._observer.to_queued_run(record)
        self._manager.park(run, (run.source, key), (at - self._clock.now()).total_seconds())
        self._quotas.on_target_limited(record, at)

    def withdraw(self, record: ActionRecord) -> None:
        """Take back an action that may not start any more; ``update_place`` decides about its place."""
        record.withdraw()
        if not record.status.attempt:
            record.leave_waiting()

    def update_place(self, record: ActionRecord) -> None:
        """Hold the partition of a started action that needs no worker now; keep the place of one that may not start."""
        if record.status.phase.is_terminal or record.activity in _WAITING:
            return
        if record.status.attempt:
            self._manager.hold(self._observer.to_queued_run(record))
        else:
            self.keep_place(record)
