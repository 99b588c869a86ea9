"""Intake of TaskActions: filters notifications, updates the table, and requests reconciliation; decides nothing."""

from collections.abc import Callable, Iterable

from pydantic import ValidationError

from taskaction.api.task_action import TaskAction
from taskaction.cluster.gateway import TASK_ACTIONS, Body, Cluster
from taskaction.control.objects.background import Background
from taskaction.control.objects.family import ParentTracker
from taskaction.control.objects.objects import RetryingCall
from taskaction.control.objects.owned import is_being_finished, is_newer
from taskaction.control.objects.records import ActionRecord, ActionTable
from taskaction.control.providers.offers import ProviderIntake
from taskaction.control.providers.providers import ProviderKey
from taskaction.control.task_actions.journal import ActionRecorder
from taskaction.control.task_actions.observe import ActionObserver, provider_key
from taskaction.control.task_actions.queueing import Queueing
from taskaction.control.task_actions.reconciler import Reconciler
from taskaction.control.task_actions.teardown import Teardown
from taskaction.core.clock import Clock
from taskaction.lifecycle.placement import shard_for
from taskaction.lifecycle.state import Activity

DELETED = "DELETED"


class ActionIntake:
    """The only entry point for what the watch, the sweep and reads report about TaskActions."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        persistently: RetryingCall,
        background: Background,
        journal: ActionRecorder,
        table: ActionTable,
        gatherer: ActionObserver,
        offers: ProviderIntake,
        family: ParentTracker,
        engine: Reconciler,
        line: Queueing,
        departures: Teardown,
        changed: Callable[[ActionRecord], None],
        shards: int,
    ) -> None:
        """Create an intake; ``changed`` is called with every action whose status another process has written."""
        self._cluster = cluster
        self._clock = clock
        self._persistently = persistently
        self._background = background
        self._journal = journal
        self._table = table
        self._gatherer = gatherer
        self._offers = offers
        self._family = family
        self._engine = engine
        self._line = line
        self._departures = departures
        self._changed = changed
        self._shards = shards

    def on_notification(self, kind: str | None, body: Body) -> None:
        """Process one notification; ``kind`` is the type of the watch event, None for a listed object."""
        uid = body["metadata"]["uid"]
        if uid in self._table.finished:
            return
        record = self._table.get(uid)
        if kind == DELETED:
            if record is not None:
                self._on_watch_deleted(record)
            return
        try:
            action = TaskAction.from_body(body)
        except ValidationError as error:
            self._journal.on_task_failed(f"read TaskAction {uid}", error)
            return
        if record is None:
            self._admit(action)
        elif is_newer(record.version, action.metadata.resource_version):
            self._update(record, action)

    def on_missing(self, record: ActionRecord) -> None:
        """Read an action that a list did not show."""
        self._background.start(self._examine(record), name=f"examine {record.uid}")

    def on_object_read(self, record: ActionRecord) -> None:
        """Process an object that a write has read, e.g. with an abort; its notification is not newer then."""
        if self._table.get(record.uid) is record:
            self._place(record)
            self._engine.reconcile(record)

    def on_shard_acquired(self, shard: int) -> None:
        """Take up the actions of a shard that this process owns from now on.

        In the order of their partitions and those with an attempt first, so that limits count them before others start.
        """
        now = self._clock.now()
        for record in self._in_order(record for record in self._table if record.shard == shard):
            record.taken_over_at, record.may_be_refused = now, False
            self._engine.reconcile(record)

    def on_shard_lost(self, shard: int) -> None:
        """Let go of the actions of a shard that another process owns; calls under way may end."""
        for record in self._table:
            if record.shard == shard:
                self._departures.on_shard_released(record)

    def on_provider_changed(self, key: ProviderKey) -> None:
        """Look again at the actions of a provider that came, changed or went."""
        for record in self._in_order(record for record in self._table if provider_key(record.action) == key):
            self._place(record)
            self._engine.reconcile(record)

    def _in_order(self, records: Iterable[ActionRecord]) -> list[ActionRecord]:
        """Sort as partitions are served: the first of several that are looked at in turn may start at once."""
        return sorted(records, key=lambda record: self._gatherer.to_queued_run(record).order)

    def _admit(self, action: TaskAction) -> None:
        if action.status.phase.is_terminal:
            return
        version = action.metadata.resource_version
        record = ActionRecord(
            action=action,
            status=action.status,
            stored=action.status,
            version=version,
            first_version=int(version) if version.isdecimal() else 0,
            taken_over_at=self._clock.now(),
        )
        self._table.add(record)
        self._journal.on_action_admitted(record)
        self._place(record)
        record.may_be_refused = self._engine.gives_out_work(record)
        self._engine.reconcile(record)

    def _update(self, record: ActionRecord, action: TaskAction) -> None:
        overtaken = record.is_overtaken(action.status)
        if overtaken and record.flushing is not None:
            return  # the running write will notice, and must not replace the status of the other owner
        record.action = action
        record.version = action.metadata.resource_version
        if action.status != record.stored and record.flushing is None:
            # Another process wrote the status: the next or the former owner.
            record.stored = action.status
            if overtaken or record.activity in {Activity.IDLE, Activity.QUEUED, Activity.PARKED}:
                record.status = action.status
            self._changed(record)
        if overtaken:
            self._departures.on_overtaken(record)
        self._place(record)
        self._engine.reconcile(record)

    def _place(self, record: ActionRecord) -> None:
        key = provider_key(record.action)
        if key is not None:
            self._offers.look_up(key)
        tie = self._gatherer.shard_tie(record.action)
        sharding = self._gatherer.sharding_of(record.action)
        record.shard = shard_for(record.action, sharding, tie, shards=self._shards)
        self._family.place(record)
        self._line.place(record)

    def _on_watch_deleted(self, record: ActionRecord) -> None:
        """Handle ``DELETED``: the object was deleted, or it finished and so left the selector of the watch."""
        if is_being_finished(record):
            return
        if self._engine.is_involved(record) or self._family.is_related(record):
            self.on_missing(record)
        else:
            self._departures.on_finished(record)  # finished or deleted: it makes no difference here

    async def _examine(self, record: ActionRecord) -> None:
        body = await self._persistently(lambda: self._cluster.get(TASK_ACTIONS, record.name, record.namespace))
        if self._table.get(record.uid) is not record:
            return
        if body is None or body["metadata"]["uid"] != record.uid:
            self._departures.on_deleted(record)
            return
        action = TaskAction.from_body(body)
        if action.status.phase.is_terminal:
            if is_being_finished(record):
                return
            record.action = action
            record.status = record.stored = action.status
            self._departures.on_finished_elsewhere(record)
        else:
            self._update(record, action)
