"""Commit of decisions: writes the status first, then posts Events and releases the object; decides nothing."""

from taskaction.api.task_action import TaskAction
from taskaction.control.events.dispatcher import EventDispatcher
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.expiry import ExpiryCollector
from taskaction.control.objects.history import History
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import Requests
from taskaction.control.objects.tables import ActionTable
from taskaction.control.objects.writer import StatusWriter, WriteResult
from taskaction.control.task_actions.journal import ActionRecorder
from taskaction.control.task_actions.listener import ActionListener
from taskaction.control.task_actions.target_release import TargetReleaser
from taskaction.control.task_actions.teardown import Teardown
from taskaction.core.clock import Clock
from taskaction.lifecycle.decisions import Decision, ExpireAt, RecordEvent, Write


class StatusCommitter:
    """Last step of every decision."""

    def __init__(
        self,
        *,
        table: ActionTable,
        clock: Clock,
        writer: StatusWriter[ActionRecord],
        editor: ObjectEditor[ActionRecord],
        dispatcher: EventDispatcher,
        teardown: Teardown,
        releaser: TargetReleaser,
        expiry: ExpiryCollector[TaskAction, ActionRecord],
        history: History,
        events: EventPoster,
        journal: ActionRecorder,
        requests: Requests,
        listener: ActionListener,
    ) -> None:
        """Create a committer; ``listener`` hears of every action whose status was stored."""
        self._table = table
        self._clock = clock
        self._writer = writer
        self._editor = editor
        self._dispatcher = dispatcher
        self._teardown = teardown
        self._releaser = releaser
        self._expiry = expiry
        self._history = history
        self._events = events
        self._journal = journal
        self._requests = requests
        self._listener = listener

    async def write_status(self, record: ActionRecord) -> WriteResult:
        """Write the status; return when the API server has it, or never will."""
        result = await self._writer.flush(record)
        if result is WriteResult.GONE:
            self._teardown.on_deleted(record)
        elif result is WriteResult.OVERTAKEN:
            await self._on_overtaken(record)
        elif result is WriteResult.REFUSED:
            await self._on_refused(record)
        elif not record.is_finished:
            self._listener.on_action_changed(record)
        return result

    async def commit(self, record: ActionRecord, decision: Decision) -> None:
        """Run the effects that require a durable status: Events, removal of the finalizer, expiry."""
        at_once = (
            decision.write in {Write.NOW, Write.FIRST} or self._dispatcher.has_consumed(record) or record.was_refused
        )
        if at_once and await self.write_status(record) is not WriteResult.STORED:
            self._dispatcher.forget(record.uid)  # the new owner delivers them again
            return
        self._dispatcher.delete_consumed(record)
        for effect in decision.effects:
            if isinstance(effect, RecordEvent):
                self._events.post(record.action, effect)
        if not record.is_finished or self._table.get(record.uid) is not record:
            return
        self._teardown.on_finished(record)
        self._journal.on_action_finished(record)
        self._releaser.on_action_finished(record)
        for effect in decision.effects:
            if isinstance(effect, ExpireAt):
                self._expiry.schedule(record.action.model_copy(update={"status": record.stored}), effect.at)
        # Even if the decision saw no finalizer: it may have been added while the end was decided.
        await self._editor.remove_finalizer(record)
        self._history.on_finished(record)

    async def _on_refused(self, record: ActionRecord) -> None:
        """Stop an action that can have no status; its object is released if it is being deleted."""
        self._teardown.on_refused(record)
        if record.action.metadata.deletion_timestamp is not None:
            await self._editor.remove_finalizer(record)

    async def _on_overtaken(self, record: ActionRecord) -> None:
        self._teardown.on_overtaken(record)
        if record.is_finished:
            self._teardown.on_finished(record)
            await self._editor.remove_finalizer(record)  # it may be an earlier own write with a lost response
        else:
            self._requests.reconcile(record)
