"""Removal of actions that were deleted, finished, or moved to another process; stops their calls, writes nothing."""

import asyncio
from datetime import timedelta

from taskaction.control.events.dispatcher import EventDispatcher
from taskaction.control.objects.background import Background
from taskaction.control.objects.family import ParentTracker
from taskaction.control.objects.history import History
from taskaction.control.objects.outputs import OutputStore
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.tables import ActionTable
from taskaction.control.task_actions.cancelling import Canceller
from taskaction.control.task_actions.followed import ChildObjectCache
from taskaction.control.task_actions.listener import ActionListener
from taskaction.control.task_actions.overlaps import OverlapTable
from taskaction.control.task_actions.partitions import PartitionLookup
from taskaction.control.task_actions.timers import ActionTimers
from taskaction.core.clock import Clock
from taskaction.execution.manager import ExecutionManager
from taskaction.lifecycle.decisions import Cancel
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
        timers: ActionTimers,
        followed: ChildObjectCache,
        overlaps: OverlapTable,
        partitions: PartitionLookup,
        dispatcher: EventDispatcher,
        canceller: Canceller,
        background: Background,
        outputs: OutputStore,
        history: History,
        listener: ActionListener,
    ) -> None:
        """Create a teardown; ``listener`` hears of every action that finished or was deleted."""
        self._clock = clock
        self._table = table
        self._family = family
        self._manager = manager
        self._timers = timers
        self._followed = followed
        self._overlaps = overlaps
        self._partitions = partitions
        self._dispatcher = dispatcher
        self._canceller = canceller
        self._background = background
        self._outputs = outputs
        self._history = history
        self._listener = listener

    def on_deleted(self, record: ActionRecord) -> None:
        """Remove an action whose object was deleted; cancel its call and request its descendants."""
        record.mark_gone()
        if self._table.get(record.uid) is not record:
            return
        going_on = record.activity.is_under_way
        self._forget(record)
        self._history.on_deleted(record)
        self._family.on_deleted(record)
        self._listener.on_action_changed(record)
        if going_on:
            self._stop(record)
        if record.status.attempt:
            self._background.start(self._clear_outputs(record), name=f"clear {record.uid}")

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
        self._listener.on_action_changed(record)

    def on_refused(self, record: ActionRecord) -> None:
        """Stop an action whose status the API server does not store: its call here, and its work outside."""
        going_on = record.activity is Activity.WAITING or record.call is not None
        self._stop_tracking(record)
        if going_on and record.begin_cancel():
            self._background.start(self._cancel_refused(record), name=f"cancel {record.uid}")

    def on_shard_released(self, record: ActionRecord) -> None:
        """Stop tracking an action of a released shard; a running call may end, and its result be written."""
        self._stop_tracking(record)
        record.release()

    def on_overtaken(self, record: ActionRecord) -> None:
        """Give up an attempt that another owner has taken over.

        The call is cancelled, but the executor is not: the external work belongs to the other owner.
        """
        record.give_up_attempt(self._clock.now())
        if record.call is not None:
            record.call.cancel()

    async def _cancel_refused(self, record: ActionRecord) -> None:
        await self._canceller.cancel(record, Cancel(self._clock.now() + _GONE_GRACE))
        record.rest()

    async def _clear_outputs(self, record: ActionRecord) -> None:
        if record.call is not None:
            await asyncio.wait({record.call})  # it may be storing an output
        await self._outputs.clear(record.namespace, record.uid)

    def _forget(self, record: ActionRecord) -> None:
        self._dispatcher.on_action_finished(record)
        self._stop_tracking(record)
        self._overlaps.forget(record.uid)
        self._table.drop(record)

    def _stop_tracking(self, record: ActionRecord) -> None:
        self._timers.clear(record)
        self._partitions.forget(record.uid)
        self._manager.forget(record.uid)
        self._followed.forget(record.uid)
        self._dispatcher.forget(record.uid)

    def _stop(self, record: ActionRecord) -> None:
        if record.begin_cancel():
            wanted = Cancel(self._clock.now() + _GONE_GRACE)
            self._background.start(self._canceller.cancel(record, wanted), name=f"cancel {record.uid}")
