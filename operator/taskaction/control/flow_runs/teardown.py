"""Removal of runs that finished, were deleted, or moved to another process; decides nothing."""

from taskaction.api.action_flow_run import ActionFlowRun, ActionFlowRunStatus
from taskaction.api.enums import ParentKind, Phase
from taskaction.control.flow_runs.events import RunEventPoster
from taskaction.control.flow_runs.expiry import RunExpiry
from taskaction.control.flow_runs.files import RunFiles
from taskaction.control.flow_runs.journal import RunRecorder
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.tables import RunTable
from taskaction.control.objects.background import Background
from taskaction.control.objects.expiry import ExpiryCollector
from taskaction.control.objects.family import ParentTracker
from taskaction.control.objects.history import History
from taskaction.control.objects.owned import parent_link
from taskaction.control.objects.requests import Requests
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda


class RunTeardown:
    """Followers of a run's status: its parent action, its Events, and its removal from all tables and timers."""

    def __init__(
        self,
        *,
        clock: Clock,
        table: RunTable,
        family: ParentTracker,
        agenda: Agenda[str],
        expiry_times: RunExpiry,
        expiry: ExpiryCollector[ActionFlowRun, RunRecord],
        history: History,
        files: RunFiles,
        event_poster: RunEventPoster,
        background: Background,
        tenures: ShardTenures,
        journal: RunRecorder,
        requests: Requests,
    ) -> None:
        """Create a teardown; it requests a poll of the action that owns a run when the run changed."""
        self._clock = clock
        self._table = table
        self._family = family
        self._agenda = agenda
        self._expiry_times = expiry_times
        self._expiry = expiry
        self._history = history
        self._files = files
        self._event_poster = event_poster
        self._background = background
        self._tenures = tenures
        self._journal = journal
        self._requests = requests

    def on_status_stored(self, record: RunRecord) -> None:
        """Follow a status that this process has written; the watch does not report it again."""
        before = record.show_stored_status()
        self.poll_parent_on_change(record, before)
        self._event_poster.on_status_stored(record)

    def on_finished(self, record: RunRecord) -> None:
        """Remove a run whose end is recorded; its live actions end with it."""
        if self._table.get(record.uid) is not record:
            return
        self.forget(record)
        if self._tenures.owns(record.shard):
            self._journal.on_run_finished(record)
            self._history.on_finished(record)
        run = record.run.model_copy(update={"status": record.stored})
        at = self._expiry_times.expires_at(run)
        if at is not None:
            self._expiry.schedule(run, at)

    def on_deleted(self, record: RunRecord) -> None:
        """Remove a run whose object was deleted."""
        record.mark_gone()
        record.stop_calls()
        if self._table.get(record.uid) is record:
            self._agenda.set(record.uid, None)
            self._table.drop(record)
            self._family.on_deleted(record)
            self._history.on_deleted(record)
            if self._tenures.owns(record.shard):
                work = self._files.clear(record.namespace, record.uid)
                self._background.start(work, name=f"clear {record.uid}")
            self._poll_parent(record)

    def on_shard_released(self, record: RunRecord) -> None:
        """Stop what this process does for a run of a released shard."""
        record.stop_calls()
        self._agenda.set(record.uid, None)

    def forget(self, record: RunRecord) -> None:
        """Remove a run that has ended, here or elsewhere."""
        self.on_shard_released(record)
        self._table.finish(record, self._clock.monotonic())
        self._family.on_finished(record)
        self._poll_parent(record)

    def poll_parent_on_change(self, record: RunRecord, before: ActionFlowRunStatus) -> None:
        """Request a poll of the action that owns the run if the run's phase or question changed."""
        after = record.run.status
        asks = after.phase is Phase.PAUSED and after.message != before.message
        if after.phase is not before.phase or asks:
            self._poll_parent(record)

    def _poll_parent(self, record: RunRecord) -> None:
        link = parent_link(record.run)
        if link is not None and link.kind is ParentKind.TASK_ACTION:
            self._requests.polls.add(link.uid)
