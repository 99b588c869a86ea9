"""Takes notifications in: which is news, what it changes in the table, and whom it concerns; decides nothing."""

from collections.abc import Callable, Iterable

from pydantic import ValidationError

from taskaction.api.task_action import TaskAction
from taskaction.cluster.gateway import TASK_ACTIONS, Body, Cluster
from taskaction.control.objects.background import Background
from taskaction.control.objects.family import Family
from taskaction.control.objects.objects import Persistently
from taskaction.control.objects.owned import is_being_finished, is_newer
from taskaction.control.objects.records import Record, Table
from taskaction.control.providers.offers import Offers
from taskaction.control.providers.providers import ProviderKey
from taskaction.control.task_actions.journal import Journal
from taskaction.control.task_actions.observe import Gatherer, provider_key
from taskaction.control.task_actions.queueing import Line
from taskaction.control.task_actions.reconciler import Engine
from taskaction.control.task_actions.teardown import Departures
from taskaction.core.clock import Clock
from taskaction.lifecycle.placement import shard_for
from taskaction.lifecycle.state import Activity

DELETED = "DELETED"


class Intake:
    """The one entrance for what the watch, the sweep and lookups say of TaskActions."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        persistently: Persistently,
        background: Background,
        journal: Journal,
        table: Table,
        gatherer: Gatherer,
        offers: Offers,
        family: Family,
        engine: Engine,
        line: Line,
        departures: Departures,
        changed: Callable[[Record], None],
        shards: int,
    ) -> None:
        """``changed`` is told of every action whose status somebody else has written."""
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

    def notice(self, kind: str | None, body: Body) -> None:
        """Take in one notification; ``kind`` is the watch's word, None for an object that was listed."""
        uid = body["metadata"]["uid"]
        if uid in self._table.finished:
            return
        record = self._table.get(uid)
        if kind == DELETED:
            if record is not None:
                self._left(record)
            return
        try:
            action = TaskAction.from_body(body)
        except ValidationError as error:
            self._journal.failed(f"read TaskAction {uid}", error)
            return
        if record is None:
            self._admit(action)
        elif is_newer(record.version, action.metadata.resource_version):
            self._update(record, action)

    def missing(self, record: Record) -> None:
        """Examine an action that a list did not show."""
        self._background.start(self._examine(record), name=f"examine {record.uid}")

    def learned(self, record: Record) -> None:
        """Take in what a write has read: an abort, say, whose notification is then no news any more."""
        if self._table.get(record.uid) is record:
            self._place(record)
            self._engine.look(record)

    def shard_acquired(self, shard: int) -> None:
        """Take up the actions of a shard that this process owns from now on.

        In the order of their partitions and those with an attempt first, so that limits count them before others start.
        """
        now = self._clock.now()
        for record in self._in_order(record for record in self._table if record.shard == shard):
            record.taken_at, record.fresh = now, False
            self._engine.look(record)

    def shard_lost(self, shard: int) -> None:
        """Let go of the actions of a shard that another process owns; calls under way may end."""
        for record in self._table:
            if record.shard == shard:
                self._departures.left_to_others(record)

    def offer_changed(self, key: ProviderKey) -> None:
        """Look again at the actions of a provider that came, changed or went."""
        for record in self._in_order(record for record in self._table if provider_key(record.action) == key):
            self._place(record)
            self._engine.look(record)

    def _in_order(self, records: Iterable[Record]) -> list[Record]:
        """Sort as partitions are served: the first of several that are looked at in turn may start at once."""
        return sorted(records, key=lambda record: self._gatherer.queued(record).order)

    def _admit(self, action: TaskAction) -> None:
        if action.status.phase.terminal:
            return
        version = action.metadata.resource_version
        record = Record(
            action=action,
            status=action.status,
            stored=action.status,
            version=version,
            first_version=int(version) if version.isdecimal() else 0,
            taken_at=self._clock.now(),
        )
        self._table.add(record)
        self._journal.admitted(record)
        self._place(record)
        record.fresh = self._engine.is_at_work(record)
        self._engine.look(record)

    def _update(self, record: Record, action: TaskAction) -> None:
        overtaken = record.is_overtaken(action.status)
        if overtaken and record.flushing is not None:
            return  # the write that is under way finds out, and must not find its way past the other owner's
        record.action = action
        record.version = action.metadata.resource_version
        if action.status != record.stored and record.flushing is None:
            # Somebody else has written the status: the next owner, or the one before.
            record.stored = action.status
            if overtaken or record.activity in {Activity.IDLE, Activity.QUEUED, Activity.PARKED}:
                record.status = action.status
            self._changed(record)
        if overtaken:
            self._departures.overtaken(record)
        self._place(record)
        self._engine.look(record)

    def _place(self, record: Record) -> None:
        key = provider_key(record.action)
        if key is not None:
            self._offers.want(key)
        tie = self._gatherer.tie(record.action)
        sharding = self._gatherer.sharding(record.action)
        record.shard = shard_for(record.action, sharding, tie, shards=self._shards)
        self._family.place(record)
        self._line.place(record)

    def _left(self, record: Record) -> None:
        """Serve a DELETED: the object is gone, or it has left the watch's selector by finishing."""
        if is_being_finished(record):
            return
        if self._engine.is_involved(record) or self._family.is_related(record):
            self.missing(record)
        else:
            self._departures.ended(record)  # by its owner or by deletion: here, nobody need know by which

    async def _examine(self, record: Record) -> None:
        body = await self._persistently(lambda: self._cluster.get(TASK_ACTIONS, record.name, record.namespace))
        if self._table.get(record.uid) is not record:
            return
        if body is None or body["metadata"]["uid"] != record.uid:
            self._departures.gone(record)
            return
        action = TaskAction.from_body(body)
        if action.status.phase.terminal:
            if is_being_finished(record):
                return
            record.action = action
            record.status = record.stored = action.status
            self._departures.finished_elsewhere(record)
        else:
            self._update(record, action)
