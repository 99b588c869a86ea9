"""Takes in what the watch, the sweep and children say of runs, and lets go of those that ended; decides nothing."""

from collections.abc import Callable, Coroutine
from typing import Any

from pydantic import ValidationError

from taskaction.api.action_flow_run import ActionFlowRun, ActionFlowRunStatus
from taskaction.api.enums import ParentKind, Phase
from taskaction.api.reasons import Reason
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, Body, Cluster
from taskaction.control.flow_runs.events import RunTeller
from taskaction.control.flow_runs.journal import RunJournal
from taskaction.control.flow_runs.reconciler import RunEngine
from taskaction.control.flow_runs.records import RunRecord, RunTable
from taskaction.control.flow_runs.translation import ended, lost, paused
from taskaction.control.objects.background import Background
from taskaction.control.objects.family import Family
from taskaction.control.objects.objects import Persistently
from taskaction.control.objects.owned import is_being_finished, is_newer, parent_link
from taskaction.control.objects.records import Record
from taskaction.core.clock import Clock
from taskaction.core.constants import VISIT_ANNOTATION
from taskaction.core.names import shard_of
from taskaction.execution.agenda import Agenda

DELETED = "DELETED"


class RunIntake:
    """The one entrance for what is heard of runs and of their actions."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        persistently: Persistently,
        background: Background,
        journal: RunJournal,
        table: RunTable,
        family: Family,
        engine: RunEngine,
        agenda: Agenda[str],
        teller: RunTeller,
        expires: Callable[[ActionFlowRun], None],
        deleted: Callable[[str, str], Coroutine[Any, Any, None]],
        wake: Callable[[str], None],
        shards: int,
    ) -> None:
        """``expires`` is told of every run that has ended here, ``wake`` of every action whose run has changed.

        ``deleted`` is told, by namespace and uid, of every run of this process that was deleted before its end.
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

    def notice(self, event: str | None, body: Body) -> None:
        """Take in one notification; ``event`` is the watch's word, None for an object that was listed."""
        uid = body["metadata"]["uid"]
        if uid in self._table.finished:
            return
        record = self._table.get(uid)
        if event == DELETED:
            if record is not None and not is_being_finished(record):
                self._left(record)
            return
        try:
            run = ActionFlowRun.from_body(body)
        except ValidationError as error:
            self._journal.failed(f"read ActionFlowRun {uid}", error)
            return
        if record is None:
            self._admit(run)
        elif is_newer(record.version, run.metadata.resource_version) and not is_being_finished(record):
            self._seen(record, run)

    def learned(self, record: RunRecord) -> None:
        """Take in what a write has read: an abort, say, whose notification is then no news any more."""
        if self._table.get(record.uid) is record:
            self._family.place(record)
            self._engine.look(record)

    def missing(self, record: RunRecord) -> None:
        """Examine a run that a list did not show."""
        self._background.start(self._examine(record), name=f"examine {record.uid}")

    def shard_acquired(self, shard: int) -> None:
        """Take up the runs of a shard that this process owns from now on."""
        for record in self._table:
            if record.shard == shard:
                if not record.busy:
                    record.forget()
                    record.status = record.stored
                self._engine.look(record)

    def shard_lost(self, shard: int) -> None:
        """Let go of the runs of a shard that another process owns."""
        for record in self._table:
            if record.shard == shard:
                record.stop_calls()
                self._agenda.set(record.uid, None)

    def flow_changed(self, namespace: str, name: str) -> None:
        """Look again at the runs that wait for a flow."""
        for record in self._table:
            ref = record.run.spec.flow_ref
            waits = record.status.reason == Reason.FLOW_NOT_FOUND
            if waits and ref is not None and (record.namespace, ref.name) == (namespace, name):
                self._engine.look(record)

    def stored(self, record: RunRecord) -> None:
        """Take note of a status that this process has written: the watch tells it nothing of that."""
        before, record.run = record.run.status, record.run.model_copy(update={"status": record.stored})
        self._tell_news(record, before)
        self._teller.stored(record, before)

    def ended(self, record: RunRecord) -> None:
        """Let go of a run whose end is on record; its actions that still go on end with it."""
        if self._table.get(record.uid) is not record:
            return
        self._let_go(record)
        if self._engine.is_owned(record):
            self._journal.run_settled(record)
        self._expires(record.run.model_copy(update={"status": record.stored}))

    def vanished(self, record: RunRecord) -> None:
        """Let go of a run whose object does not exist any more."""
        record.gone = True
        record.stop_calls()
        if self._table.get(record.uid) is record:
            self._agenda.set(record.uid, None)
            self._table.drop(record)
            self._family.gone(record)
            if self._engine.is_owned(record):
                self._background.start(self._deleted(record.namespace, record.uid), name=f"clear {record.uid}")
            self._tell_parent(record)

    # -- their actions ------------------------------------------------------------------------------------------------

    def child_changed(self, child: Record) -> None:
        """Tell a run how one of its actions stands, as the API server has it."""
        found = self._run_of(child)
        if found is None:
            return
        record, visit = found
        action = child.action.model_copy(update={"status": child.stored})
        if child.gone:
            self._engine.happened(record, [lost(visit, action)])
        elif child.settled:
            self._engine.happened(record, [ended(visit, action)])
        elif child.stored.phase.started:
            event = paused(visit, action)
            if self._engine.pause_of(record, visit) != event.details:
                self._engine.happened(record, [event])

    def _run_of(self, child: Record) -> tuple[RunRecord, str] | None:
        link = parent_link(child.action)
        if link is None or link.kind is not ParentKind.ACTION_FLOW_RUN:
            return None
        record, visit = self._table.get(link.uid), child.action.metadata.annotations.get(VISIT_ANNOTATION)
        if record is None:
            return None
        if visit is None or visit not in record.starts:
            self._engine.look(record)  # it may be the last one that an aborted run waits for
            return None
        return record, visit

    # -- inside -------------------------------------------------------------------------------------------------------

    def _admit(self, run: ActionFlowRun) -> None:
        if run.status.phase.terminal:
            return
        record = RunRecord(run=run, status=run.status, stored=run.status, version=run.metadata.resource_version)
        record.shard = shard_of(record.uid, self._shards)
        self._table.add(record)
        self._family.place(record)
        self._engine.look(record)

    def _update(self, record: RunRecord, run: ActionFlowRun) -> None:
        before = record.run.status
        overtaken = record.is_overtaken(run.status)
        if overtaken and record.flushing is not None:
            return  # the write that is under way finds out, and must not find its way past the other owner's
        record.run, record.version = run, run.metadata.resource_version
        self._tell_news(record, before)
        if run.status != record.stored and record.flushing is None:
            record.stored = run.status
            if overtaken or not self._engine.is_owned(record):
                record.status = run.status
                record.forget()
        self._family.place(record)
        self._engine.look(record)

    def _left(self, record: RunRecord) -> None:
        """Serve a DELETED: the object is gone, or it has left the watch's selector by finishing."""
        if self._engine.is_owned(record) or self._family.is_related(record):
            self.missing(record)
        else:
            self._let_go(record)

    def _tell_news(self, record: RunRecord, before: ActionFlowRunStatus) -> None:
        """Tell the action that a run belongs to what it shows of the run."""
        after = record.run.status
        asks = after.phase is Phase.PAUSED and after.message != before.message
        if after.phase is not before.phase or asks:
            self._tell_parent(record)

    def _tell_parent(self, record: RunRecord) -> None:
        link = parent_link(record.run)
        if link is not None and link.kind is ParentKind.TASK_ACTION:
            self._wake(link.uid)

    def _let_go(self, record: RunRecord) -> None:
        record.stop_calls()
        self._agenda.set(record.uid, None)
        self._table.finish(record, self._clock.monotonic())
        self._family.finished(record)
        self._tell_parent(record)

    async def _examine(self, record: RunRecord) -> None:
        body = await self._persistently(lambda: self._cluster.get(ACTION_FLOW_RUNS, record.name, record.namespace))
        if self._table.get(record.uid) is not record:
            return
        if body is None or body["metadata"]["uid"] != record.uid:
            self.vanished(record)
            return
        if not is_being_finished(record):
            self._seen(record, ActionFlowRun.from_body(body))

    def _seen(self, record: RunRecord, run: ActionFlowRun) -> None:
        if not run.status.phase.terminal:
            self._update(record, run)
            return
        record.run = run
        record.status = record.stored = run.status
        self.ended(record)
