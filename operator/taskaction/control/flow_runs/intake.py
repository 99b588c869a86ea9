"""Intake of runs: filters notifications of runs and their actions, and forgets finished runs; decides nothing."""

from collections.abc import Callable, Coroutine
from typing import Any

from pydantic import ValidationError

from taskaction.api.action_flow_run import ActionFlowRun, ActionFlowRunStatus
from taskaction.api.enums import ParentKind, Phase
from taskaction.api.reasons import Reason
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, Body, Cluster
from taskaction.control.flow_runs.events import RunEventPoster
from taskaction.control.flow_runs.journal import RunRecorder
from taskaction.control.flow_runs.reconciler import RunReconciler
from taskaction.control.flow_runs.records import RunRecord, RunTable
from taskaction.control.flow_runs.translation import deleted_action, to_action_ended, to_action_paused
from taskaction.control.objects.background import Background
from taskaction.control.objects.family import ParentTracker
from taskaction.control.objects.objects import RetryingCall
from taskaction.control.objects.owned import is_being_finished, is_newer, parent_link
from taskaction.control.objects.records import ActionRecord
from taskaction.core.clock import Clock
from taskaction.core.constants import VISIT_ANNOTATION
from taskaction.core.names import shard_of
from taskaction.execution.agenda import Agenda

DELETED = "DELETED"


class RunIntake:
    """The only entry point for reports about runs and their actions."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        persistently: RetryingCall,
        background: Background,
        journal: RunRecorder,
        table: RunTable,
        family: ParentTracker,
        engine: RunReconciler,
        agenda: Agenda[str],
        teller: RunEventPoster,
        expires: Callable[[ActionFlowRun], None],
        deleted: Callable[[str, str], Coroutine[Any, Any, None]],
        wake: Callable[[str], None],
        shards: int,
    ) -> None:
        """Create an intake.

        ``expires`` is called with every run that finished here, ``wake`` with the uid of every action whose run
        changed. ``deleted`` is called with namespace and uid of every own run that was deleted before its end.
        """
        self._cluster = cluster
        self._clock = clock
        self._persistently = persistently
        self._background = background
        self._journal = journal
        self._table = table
        self._family = family
        self._engine = engine
        self._agenda = agenda
        self._teller = teller
        self._expires = expires
        self._deleted = deleted
        self._wake = wake
        self._shards = shards

    # -- runs ---------------------------------------------------------------------------------------------------------

    def on_notification(self, event: str | None, body: Body) -> None:
        """Process one notification; ``event`` is the type of the watch event, None for a listed object."""
        uid = body["metadata"]["uid"]
        if uid in self._table.finished:
            return
        record = self._table.get(uid)
        if event == DELETED:
            if record is not None and not is_being_finished(record):
                self._on_watch_deleted(record)
            return
        try:
            run = ActionFlowRun.from_body(body)
        except ValidationError as error:
            self._journal.on_task_failed(f"read ActionFlowRun {uid}", error)
            return
        if record is None:
            self._admit(run)
        elif is_newer(record.version, run.metadata.resource_version) and not is_being_finished(record):
            self._on_run_read(record, run)

    def on_object_read(self, record: RunRecord) -> None:
        """Process an object that a write has read, e.g. with an abort; its notification is not newer then."""
        if self._table.get(record.uid) is record:
            self._family.place(record)
            self._engine.request(record)

    def on_missing(self, record: RunRecord) -> None:
        """Read a run that a list did not show."""
        self._background.start(self._examine(record), name=f"examine {record.uid}")

    def on_shard_acquired(self, shard: int) -> None:
        """Take up the runs of a shard that this process owns from now on."""
        for record in self._table:
            if record.shard == shard:
                if not record.busy:
                    record.reset()
                    record.status = record.stored
                self._engine.request(record)

    def on_shard_lost(self, shard: int) -> None:
        """Drop the runs of a shard that another process owns."""
        for record in self._table:
            if record.shard == shard:
                record.stop_calls()
                self._agenda.set(record.uid, None)

    def on_flow_changed(self, namespace: str, name: str) -> None:
        """Reconcile the runs that wait for a flow."""
        for record in self._table:
            ref = record.run.spec.flow_ref
            waits = record.status.reason == Reason.FLOW_NOT_FOUND
            if waits and ref is not None and (record.namespace, ref.name) == (namespace, name):
                self._engine.request(record)

    def on_status_stored(self, record: RunRecord) -> None:
        """Process a status that this process has written; the watch does not report it again."""
        before, record.run = record.run.status, record.run.model_copy(update={"status": record.stored})
        self._wake_parent_on_change(record, before)
        self._teller.on_status_stored(record, before)

    def on_run_finished(self, record: RunRecord) -> None:
        """Forget a run whose end is recorded; its live actions end with it."""
        if self._table.get(record.uid) is not record:
            return
        self._forget_run(record)
        if self._engine.is_owned(record):
            self._journal.on_run_finished(record)
        self._expires(record.run.model_copy(update={"status": record.stored}))

    def on_run_deleted(self, record: RunRecord) -> None:
        """Forget a run whose object was deleted."""
        record.is_gone = True
        record.stop_calls()
        if self._table.get(record.uid) is record:
            self._agenda.set(record.uid, None)
            self._table.drop(record)
            self._family.on_deleted(record)
            if self._engine.is_owned(record):
                self._background.start(self._deleted(record.namespace, record.uid), name=f"clear {record.uid}")
            self._wake_parent(record)

    # -- actions of runs ----------------------------------------------------------------------------------------------

    def on_child_changed(self, child: ActionRecord) -> None:
        """Pass the recorded state of an action to its run."""
        found = self._run_of(child)
        if found is None:
            return
        record, visit = found
        action = child.action.model_copy(update={"status": child.stored})
        if child.is_gone:
            self._engine.on_action_events(record, [deleted_action(visit, action)])
        elif child.is_finished:
            self._engine.on_action_events(record, [to_action_ended(visit, action)])
        elif child.stored.phase.is_started:
            event = to_action_paused(visit, action)
            if self._engine.pause_of(record, visit) != event.details:
                self._engine.on_action_events(record, [event])

    def _run_of(self, child: ActionRecord) -> tuple[RunRecord, str] | None:
        link = parent_link(child.action)
        if link is None or link.kind is not ParentKind.ACTION_FLOW_RUN:
            return None
        record, visit = self._table.get(link.uid), child.action.metadata.annotations.get(VISIT_ANNOTATION)
        if record is None:
            return None
        if visit is None or visit not in record.starts:
            self._engine.request(record)  # an aborted run may wait for this action
            return None
        return record, visit

    # -- internals ----------------------------------------------------------------------------------------------------

    def _admit(self, run: ActionFlowRun) -> None:
        if run.status.phase.is_terminal:
            return
        record = RunRecord(run=run, status=run.status, stored=run.status, version=run.metadata.resource_version)
        record.shard = shard_of(record.uid, self._shards)
        self._table.add(record)
        self._family.place(record)
        self._engine.request(record)

    def _update(self, record: RunRecord, run: ActionFlowRun) -> None:
        before = record.run.status
        overtaken = record.is_overtaken(run.status)
        if overtaken and record.flushing is not None:
            return  # the running write will notice, and must not replace the status of the other owner
        record.run, record.version = run, run.metadata.resource_version
        self._wake_parent_on_change(record, before)
        if run.status != record.stored and record.flushing is None:
            record.stored = run.status
            if overtaken or not self._engine.is_owned(record):
                record.status = run.status
                record.reset()
        self._family.place(record)
        self._engine.request(record)

    def _on_watch_deleted(self, record: RunRecord) -> None:
        """Handle ``DELETED``: the object was deleted, or it finished and so left the selector of the watch."""
        if self._engine.is_owned(record) or self._family.is_related(record):
            self.on_missing(record)
        else:
            self._forget_run(record)

    def _wake_parent_on_change(self, record: RunRecord, before: ActionFlowRunStatus) -> None:
        """Poll the action that owns the run if the run's phase or question changed."""
        after = record.run.status
        asks = after.phase is Phase.PAUSED and after.message != before.message
        if after.phase is not before.phase or asks:
            self._wake_parent(record)

    def _wake_parent(self, record: RunRecord) -> None:
        link = parent_link(record.run)
        if link is not None and link.kind is ParentKind.TASK_ACTION:
            self._wake(link.uid)

    def _forget_run(self, record: RunRecord) -> None:
        record.stop_calls()
        self._agenda.set(record.uid, None)
        self._table.finish(record, self._clock.monotonic())
        self._family.on_finished(record)
        self._wake_parent(record)

    async def _examine(self, record: RunRecord) -> None:
        body = await self._persistently(lambda: self._cluster.get(ACTION_FLOW_RUNS, record.name, record.namespace))
        if self._table.get(record.uid) is not record:
            return
        if body is None or body["metadata"]["uid"] != record.uid:
            self.on_run_deleted(record)
            return
        if not is_being_finished(record):
            self._on_run_read(record, ActionFlowRun.from_body(body))

    def _on_run_read(self, record: RunRecord, run: ActionFlowRun) -> None:
        if not run.status.phase.is_terminal:
            self._update(record, run)
            return
        record.run = run
        record.status = record.stored = run.status
        self.on_run_finished(record)
