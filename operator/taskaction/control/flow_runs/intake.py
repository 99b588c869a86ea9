"""Intake of runs: filters notifications, updates the table, and requests turns; decides nothing."""

from pydantic import ValidationError

from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, Body, Cluster
from taskaction.control.flow_runs.journal import RunRecorder
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.tables import RunTable
from taskaction.control.flow_runs.teardown import RunTeardown
from taskaction.control.objects.background import Background
from taskaction.control.objects.family import ParentTracker
from taskaction.control.objects.objects import RetryingCall
from taskaction.control.objects.owned import is_newer
from taskaction.control.objects.requests import Requests
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.names import shard_of

DELETED = "DELETED"


class RunIntake:
    """The only entry point for what the watch, the sweep and reads report about runs."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        persistently: RetryingCall,
        background: Background,
        journal: RunRecorder,
        table: RunTable,
        family: ParentTracker,
        tenures: ShardTenures,
        teardown: RunTeardown,
        requests: Requests,
    ) -> None:
        self._cluster = cluster
        self._persistently = persistently
        self._background = background
        self._journal = journal
        self._table = table
        self._family = family
        self._tenures = tenures
        self._teardown = teardown
        self._requests = requests

    def on_notification(self, event: str | None, body: Body) -> None:
        """Process one notification; ``event`` is the type of the watch event, None for a listed object."""
        uid = body["metadata"]["uid"]
        if uid in self._table.finished:
            return
        record = self._table.get(uid)
        if event == DELETED:
            if record is not None and not record.is_being_finished:
                self._on_watch_deleted(record)
            return
        try:
            run = ActionFlowRun.from_body(body)
        except ValidationError as error:
            self._journal.on_task_failed(f"read ActionFlowRun {uid}", error)
            return
        if record is None:
            self._admit(run)
        elif is_newer(record.version, run.metadata.resource_version) and not record.is_being_finished:
            self._on_run_read(record, run)

    def on_missing(self, record: RunRecord) -> None:
        """Read a run that a list did not show."""
        self._background.start(self._examine(record), name=f"examine {record.uid}")

    def on_shard_acquired(self, shard: int) -> None:
        """Request turns of the runs of a shard that this process owns from now on."""
        for record in self._table:
            if record.shard == shard:
                if not record.busy:
                    record.take_up()
                self._requests.reconcile(record)

    def on_shard_lost(self, shard: int) -> None:
        """Drop the runs of a shard that another process owns."""
        for record in self._table:
            if record.shard == shard:
                self._teardown.on_shard_released(record)

    def _admit(self, run: ActionFlowRun) -> None:
        if run.status.phase.is_terminal:
            return
        record = RunRecord.from_run(run)
        record.place(shard_of(record.uid, self._tenures.shards))
        self._table.add(record)
        self._family.place(record)
        self._requests.reconcile(record)

    def _update(self, record: RunRecord, run: ActionFlowRun) -> None:
        before = record.run.status
        overtaken = record.is_overtaken(run.status)
        if overtaken and record.flushing is not None:
            return  # the running write will notice, and must not replace the status of the other owner
        record.update_run(run, overtaken=overtaken, owned=self._tenures.owns(record.shard))
        self._teardown.poll_parent_on_change(record, before)
        record.place(record.shard)
        self._family.place(record)
        self._requests.reconcile(record)

    def _on_watch_deleted(self, record: RunRecord) -> None:
        """Handle ``DELETED``: the object was deleted, or it finished and so left the selector of the watch."""
        if self._tenures.owns(record.shard) or self._family.is_related(record):
            self.on_missing(record)
        else:
            self._teardown.forget(record)

    async def _examine(self, record: RunRecord) -> None:
        body = await self._persistently(lambda: self._cluster.get(ACTION_FLOW_RUNS, record.name, record.namespace))
        if self._table.get(record.uid) is not record:
            return
        if body is None or body["metadata"]["uid"] != record.uid:
            self._teardown.on_deleted(record)
        elif not record.is_being_finished:
            self._on_run_read(record, ActionFlowRun.from_body(body))

    def _on_run_read(self, record: RunRecord, run: ActionFlowRun) -> None:
        if run.status.phase.is_terminal:
            record.finish_elsewhere(run)
            self._teardown.on_finished(record)
        else:
            self._update(record, run)
