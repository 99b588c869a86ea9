"""Queueing of actions for workers: from the wait for their partition to the execution manager; decides nothing."""

from datetime import datetime

from taskaction.control.objects.records import ActionRecord
from taskaction.control.providers.quotas import ProviderQuotas
from taskaction.control.task_actions.observe import ActionObserver
from taskaction.control.task_actions.partitions import PartitionLookup
from taskaction.core.clock import Clock
from taskaction.execution.manager import ExecutionManager
from taskaction.lifecycle.state import Activity

_WAITING = frozenset({Activity.QUEUED, Activity.PARKED})


class Queueing:
    """Queue of actions for workers, on top of the execution manager."""

    def __init__(
        self,
        *,
        clock: Clock,
        observer: ActionObserver,
        partitions: PartitionLookup,
        quotas: ProviderQuotas,
        manager: ExecutionManager,
    ) -> None:
        self._clock = clock
        self._observer = observer
        self._partitions = partitions
        self._quotas = quotas
        self._manager = manager

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

    def update_hold(self, record: ActionRecord, *, withdrawn: bool) -> None:
        """Hold the partition of a started action that needs no worker now; release that of a withdrawn one."""
        if record.status.attempt and not record.status.phase.is_terminal and record.activity not in _WAITING:
            self._manager.hold(self._observer.to_queued_run(record))
        elif withdrawn:
            record.leave_waiting()
            self._manager.forget(record.uid)
