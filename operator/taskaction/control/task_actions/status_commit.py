"""Makes decisions durable, and only then tells the world and lets go; decides nothing."""

from collections.abc import Callable

from taskaction.api.task_action import TaskAction
from taskaction.control.events.dispatcher import Deliveries
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.expiry import Expiry
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.records import Record, Table
from taskaction.control.objects.writer import Landed, StatusWriter
from taskaction.control.task_actions.journal import Journal
from taskaction.control.task_actions.target_release import Releaser
from taskaction.control.task_actions.teardown import Departures
from taskaction.core.clock import Clock
from taskaction.lifecycle.decisions import Decision, ExpireAt, Tell, Write


class Landing:
    """The last part of every decision."""

    def __init__(
        self,
        *,
        table: Table,
        clock: Clock,
        writer: StatusWriter[Record],
        editor: ObjectEditor[Record],
        deliveries: Deliveries,
        departures: Departures,
        releaser: Releaser,
        expiry: Expiry[TaskAction, Record],
        events: EventPoster,
        journal: Journal,
        look: Callable[[Record], None],
        changed: Callable[[Record], None],
    ) -> None:
        """``look`` is called for an action whose status another owner has written, ``changed`` for every one stored."""
        self._table = table
        self._clock = clock
        self._writer = writer
        self._editor = editor
        self._deliveries = deliveries
        self._departures = departures
        self._releaser = releaser
        self._expiry = expiry
        self._events = events
        self._journal = journal
        self._look = look
        self._changed = changed

    async def flush(self, record: Record) -> Landed:
        """Return when the API server has what the record says, or never will."""
        landed = await self._writer.flush(record)
        if landed is Landed.GONE:
            self._departures.gone(record)
        elif landed is Landed.OVERTAKEN:
            await self._overtaken(record)
        elif not record.settled:
            self._changed(record)
        return landed

    async def land(self, record: Record, decision: Decision) -> None:
        """Carry out what may only follow a durable status: events, the removal of the finalizer, expiry."""
        at_once = decision.write in {Write.NOW, Write.FIRST} or self._deliveries.has_taken(record)
        if at_once and await self.flush(record) is not Landed.STORED:
            self._deliveries.forget(record.uid)  # whoever has overtaken this process hands them over again
            return
        self._deliveries.applied(record)
        for effect in decision.effects:
            if isinstance(effect, Tell):
                self._events.tell(record.action, effect)
        if not record.settled or self._table.get(record.uid) is not record:
            return
        self._departures.ended(record)
        self._journal.settled(record)
        self._releaser.ended(record)
        for effect in decision.effects:
            if isinstance(effect, ExpireAt):
                self._expiry.note(record.action, effect.at)
        # Whether the decision knew of a finalizer or not: it may have been on its way while the end was decided.
        await self._editor.release(record)

    async def _overtaken(self, record: Record) -> None:
        self._departures.overtaken(record)
        if record.settled:
            self._departures.ended(record)
            await self._editor.release(record)  # the end may be an earlier write of this process, never answered
        else:
            self._look(record)
