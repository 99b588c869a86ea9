"""Removal of actions that were deleted, finished, or moved to another process; stops their calls, writes nothing."""

from collections.abc import Callable
from datetime import timedelta

from taskaction.control.events.dispatcher import EventDispatcher
from taskaction.control.objects.family import ParentTracker
from taskaction.control.objects.records import ActionRecord, ActionTable
from taskaction.control.task_actions.cancelling import Canceller
from taskaction.control.task_actions.followed import ChildObjectCache
from taskaction.control.task_actions.overlaps import OverlapTable
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda
from taskaction.execution.manager import ExecutionManager
from taskaction.lifecycle.state import Activity

_GONE_GRACE = timedelta(seconds=30)


class Teardown:
    """Removal of an action from all tables and timers."""

    def __init__(
        self,
        *,
        clock: Clock,
        table: ActionTable,
        family: ParentTracker,
        manager: ExecutionManager,
        agenda: Agenda[str],
        followed: ChildObjectCache,
        overlaps: OverlapTable,
        deliveries: EventDispatcher,
        canceller: Canceller,
        left: Callable[[ActionRecord], None],
    ) -> None:
        """Create a teardown; ``left`` is called with every action that finished or was deleted."""
        self._clock = clock
        self._table = table
        self._family = family
        self._manager = manager
        self._agenda = agenda
        self._followed = followed
        self._overlaps = overlaps
        self._deliveries = deliveries
        self._canceller = canceller
        self._left = left

    def on_deleted(self, record: ActionRecord) -> None:
        """Remove an action whose object was deleted; cancel its call and request its descendants."""
        record.is_gone = True
        if self._table.get(record.uid) is not record:
            return
        going_on = record.activity.is_under_way
        self._forget(record)
        self._family.on_deleted(record)
        self._left(record)
        if going_on:
            self._stop(record)

    def on_finished_elsewhere(self, record: ActionRecord) -> None:
        """Remove an action that another process has finished; cancel its call here."""
        going_on = record.activity.is_under_way
        self.on_finished(record)
        if going_on:
            self._stop(record)

    def on_finished(self, record: ActionRecord) -> None:
        """Remove an action whose end is recorded; its late notifications are ignored."""
        self._forget(record)
        self._table.finish(record, self._clock.monotonic())
        self._family.on_finished(record)
        self._left(record)

    def on_shard_released(self, record: ActionRecord) -> None:
        """Stop tracking an action of a released shard; a running call may end, and its result be written."""
        self._stop_tracking(record)
        if record.activity in {Activity.QUEUED, Activity.PARKED, Activity.WAITING}:
            record.activity = Activity.IDLE
            record.poll_at = record.wake_at = None  # the next owner computes these again

    def on_overtaken(self, record: ActionRecord) -> None:
        """Give up an attempt that another owner has taken over.

        The call is cancelled, but the executor is not: the external work belongs to the other owner.
        """
        record.taken_over_at = self._clock.now()
        record.activity = Activity.IDLE
        if record.call is not None:
            record.call.cancel()

    def _forget(self, record: ActionRecord) -> None:
        self._deliveries.on_action_finished(record)
        self._stop_tracking(record)
        self._overlaps.forget(record.uid)
        self._table.drop(record)

    def _stop_tracking(self, record: ActionRecord) -> None:
        self._agenda.set(record.uid, None)
        self._manager.forget(record.uid)
        self._followed.forget(record.uid)
        self._deliveries.forget(record.uid)

    def _stop(self, record: ActionRecord) -> None:
        self._canceller.cancel(record, self._clock.now() + _GONE_GRACE)
