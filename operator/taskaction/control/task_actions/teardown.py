"""Letting go of actions: gone, ended, or another process's; stops what still goes on for them, and writes nothing."""

from collections.abc import Callable
from datetime import timedelta

from taskaction.control.events.dispatcher import Deliveries
from taskaction.control.objects.family import Family
from taskaction.control.objects.records import Record, Table
from taskaction.control.task_actions.cancelling import Canceller
from taskaction.control.task_actions.followed import FollowedObjects
from taskaction.control.task_actions.overlaps import Overlaps
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda
from taskaction.execution.manager import ExecutionManager
from taskaction.lifecycle.state import Activity

_GONE_GRACE = timedelta(seconds=30)


class Departures:
    """Takes an action out of everything that knows it."""

    def __init__(
        self,
        *,
        clock: Clock,
        table: Table,
        family: Family,
        manager: ExecutionManager,
        agenda: Agenda[str],
        followed: FollowedObjects,
        overlaps: Overlaps,
        deliveries: Deliveries,
        canceller: Canceller,
        left: Callable[[Record], None],
    ) -> None:
        """``left`` is told of every action that has ended or gone."""
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

    def gone(self, record: Record) -> None:
        """Let go of an action whose object does not exist any more; its executor and its descendants are told."""
        record.gone = True
        if self._table.get(record.uid) is not record:
            return
        going_on = record.activity.goes_on
        self._forget(record)
        self._family.gone(record)
        self._left(record)
        if going_on:
            self._stop(record)

    def finished_elsewhere(self, record: Record) -> None:
        """Let go of an action that another process has finished; what this one still does about it is stopped."""
        going_on = record.activity.goes_on
        self.ended(record)
        if going_on:
            self._stop(record)

    def ended(self, record: Record) -> None:
        """Let go of an action whose end is on record; late notifications of it must find that out."""
        self._forget(record)
        self._table.finish(record, self._clock.monotonic())
        self._family.finished(record)
        self._left(record)

    def left_to_others(self, record: Record) -> None:
        """Leave an action to another process; a call under way may end, and its result is kept if nobody objects."""
        self._rest(record)
        if record.activity in {Activity.QUEUED, Activity.PARKED, Activity.WAITING}:
            record.activity = Activity.IDLE
            record.poll_at = record.wake_at = None  # whoever looks at it next finds out when anew

    def overtaken(self, record: Record) -> None:
        """Give up this process's part in an attempt of which another owner has taken over the record.

        The call is cancelled and nobody is told to stop: what goes on outside is the other owner's.
        """
        record.taken_at = self._clock.now()
        record.activity = Activity.IDLE
        if record.call is not None:
            record.call.cancel()

    def _forget(self, record: Record) -> None:
        self._deliveries.ended(record)
        self._rest(record)
        self._overlaps.forget(record.uid)
        self._table.drop(record)

    def _rest(self, record: Record) -> None:
        self._agenda.set(record.uid, None)
        self._manager.forget(record.uid)
        self._followed.forget(record.uid)
        self._deliveries.forget(record.uid)

    def _stop(self, record: Record) -> None:
        self._canceller.cancel(record, self._clock.now() + _GONE_GRACE)
