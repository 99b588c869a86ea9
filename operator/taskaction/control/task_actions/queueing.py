"""How actions stand in line for a worker: in which partition, beside whom, and what they are told; starts nothing."""

from collections.abc import Callable
from datetime import datetime

from taskaction.control.objects.records import Record, Table
from taskaction.control.providers.quotas import Quotas
from taskaction.control.task_actions.observe import Gatherer
from taskaction.control.task_actions.overlaps import Overlaps
from taskaction.control.task_actions.partitions import Partitions
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda
from taskaction.execution.manager import ExecutionManager
from taskaction.lifecycle.state import Activity

_IN_LINE = frozenset({Activity.QUEUED, Activity.PARKED})


class Line:
    """Puts actions into the manager's queue and takes them out."""

    def __init__(
        self,
        *,
        table: Table,
        clock: Clock,
        agenda: Agenda[str],
        gatherer: Gatherer,
        overlaps: Overlaps,
        partitions: Partitions,
        quotas: Quotas,
        manager: ExecutionManager,
        look: Callable[[Record], None],
    ) -> None:
        """``look`` is called for an action of which something else may be true now."""
        self._table = table
        self._clock = clock
        self._agenda = agenda
        self._gatherer = gatherer
        self._overlaps = overlaps
        self._partitions = partitions
        self._quotas = quotas
        self._manager = manager
        self._look = look

    def place(self, record: Record) -> None:
        """Take in who shares the action's partition; by that, another one may have to end."""
        rival = self._overlaps.place(record, self._gatherer.overlap(record))
        if rival is not None:
            self._look(rival)

    def enqueue(self, record: Record) -> None:
        """Let an action wait for a worker, once its partition is known."""
        record.activity = Activity.QUEUED
        record.poll_at = None
        if record.queued_at is None:
            record.queued_at = self._clock.monotonic()
        if self._partitions.is_known(record):
            self._submit(record)
        else:
            self._partitions.ask(record)

    def partitioned(self, record: Record) -> None:
        """Let an action, whose partition is known by now, wait for a worker where it may stay at all."""
        self.place(record)
        self._look(record)
        if not record.status.phase.terminal:
            self._submit(record)

    def park(self, record: Record, at: datetime, key: str) -> None:
        """Let an action wait, without a worker, until its target's quota ``key`` is renewed."""
        record.activity = Activity.PARKED
        if record.parked_at is None:
            record.parked_at = self._clock.monotonic()
        run = self._gatherer.queued(record)
        self._manager.park(run, (run.source, key), (at - self._clock.now()).total_seconds())
        self._quotas.limited(record, at)

    def keep(self, record: Record, *, withdrawn: bool) -> None:
        """Keep the partition of an action that has started and needs no worker now; let go of one that stepped out."""
        if record.status.attempt and not record.status.phase.terminal and record.activity not in _IN_LINE:
            self._manager.hold(self._gatherer.queued(record))
        elif withdrawn:
            record.queued_at = record.parked_at = None
            self._manager.forget(record.uid)

    def crowded(self, uid: str, *, crowded: bool) -> None:
        """Have an action show that it waits outside of a full queue, or does not any more."""
        record = self._table.get(uid)
        if record is not None:
            record.crowded = crowded
            record.wake_at = self._clock.now()  # and not at once: whoever submits it is in the middle of a decision
            self._agenda.set(uid, record.next_look)

    def limited(self, uid: str, until: datetime) -> bool:
        """Have an action show that it waits for its provider's rate; False where it does, until some time ahead."""
        record = self._table.get(uid)
        if record is None or (record.limited_until is not None and record.limited_until > self._clock.now()):
            return False
        record.limited_until = until
        self._look(record)
        return True

    def _submit(self, record: Record) -> None:
        self._manager.submit(self._gatherer.queued(record))
