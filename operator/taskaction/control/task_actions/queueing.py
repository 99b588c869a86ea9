"""Queueing of actions for workers: their partition, the effects on others in it, and what their statuses show."""

from collections.abc import Callable
from datetime import datetime

from taskaction.control.objects.records import ActionRecord, ActionTable
from taskaction.control.providers.quotas import ProviderQuotas
from taskaction.control.task_actions.observe import ActionObserver
from taskaction.control.task_actions.overlaps import OverlapTable
from taskaction.control.task_actions.partitions import PartitionLookup
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda
from taskaction.execution.manager import ExecutionManager
from taskaction.lifecycle.state import Activity

_IN_LINE = frozenset({Activity.QUEUED, Activity.PARKED})


class Queueing:
    """Queue of actions for workers, on top of the execution manager."""

    def __init__(
        self,
        *,
        table: ActionTable,
        clock: Clock,
        agenda: Agenda[str],
        gatherer: ActionObserver,
        overlaps: OverlapTable,
        partitions: PartitionLookup,
        quotas: ProviderQuotas,
        manager: ExecutionManager,
        look: Callable[[ActionRecord], None],
    ) -> None:
        """Create a queue; ``look`` is called with an action whose decision may change."""
        self._table = table
        self._clock = clock
        self._agenda = agenda
        self._gatherer = gatherer
        self._overlaps = overlaps
        self._partitions = partitions
        self._quotas = quotas
        self._manager = manager
        self._look = look

    def place(self, record: ActionRecord) -> None:
        """Update the action's place in its partition, and reconcile the action that must end because of it."""
        rival = self._overlaps.place(record, self._gatherer.overlap_place(record))
        if rival is not None:
            self._look(rival)

    def enqueue(self, record: ActionRecord) -> None:
        """Queue an action for a worker, after its partition is known."""
        record.activity = Activity.QUEUED
        record.poll_at = None
        if record.queued_at is None:
            record.queued_at = self._clock.monotonic()
        if self._partitions.is_known(record):
            self._submit(record)
        else:
            self._partitions.look_up(record)

    def on_partition_known(self, record: ActionRecord) -> None:
        """Queue an action whose partition is known now, unless it must end."""
        self.place(record)
        self._look(record)
        if not record.status.phase.is_terminal:
            self._submit(record)

    def park(self, record: ActionRecord, at: datetime, key: str) -> None:
        """Park an action without a worker until its target's quota ``key`` is renewed."""
        record.activity = Activity.PARKED
        if record.parked_at is None:
            record.parked_at = self._clock.monotonic()
        run = self._gatherer.to_queued_run(record)
        self._manager.park(run, (run.source, key), (at - self._clock.now()).total_seconds())
        self._quotas.on_target_limited(record, at)

    def update_hold(self, record: ActionRecord, *, withdrawn: bool) -> None:
        """Hold the partition of a started action that needs no worker now; release that of a withdrawn one."""
        if record.status.attempt and not record.status.phase.is_terminal and record.activity not in _IN_LINE:
            self._manager.hold(self._gatherer.to_queued_run(record))
        elif withdrawn:
            record.queued_at = record.parked_at = None
            self._manager.forget(record.uid)

    def on_backlog_changed(self, uid: str, *, crowded: bool) -> None:
        """Show in an action whether it waits outside a full queue."""
        record = self._table.get(uid)
        if record is not None:
            record.queue_full = crowded
            record.wake_at = self._clock.now()  # not at once: the caller that submits it is in the middle of a decision
            self._agenda.set(uid, record.next_due)

    def on_rate_limited(self, uid: str, until: datetime) -> bool:
        """Show in an action until when it waits for its provider's rate limit; return False if that is shown."""
        record = self._table.get(uid)
        if record is None or (record.limited_until is not None and record.limited_until > self._clock.now()):
            return False
        record.limited_until = until
        self._look(record)
        return True

    def _submit(self, record: ActionRecord) -> None:
        self._manager.submit(self._gatherer.to_queued_run(record))
