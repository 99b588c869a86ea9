"""Intake of TaskActions: filters notifications, updates the table, and requests reconciliation; decides nothing."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from datetime import datetime

from pydantic import ValidationError

from taskaction.api.bodies import has_ended
from taskaction.api.task_action import TaskAction
from taskaction.cluster.gateway import TASK_ACTIONS, Body, Cluster
from taskaction.control.events.dispatcher import EventDispatcher
from taskaction.control.objects.background import Background
from taskaction.control.objects.family import ParentTracker
from taskaction.control.objects.listing import list_objects
from taskaction.control.objects.objects import ObjectEditor, RetryingCall
from taskaction.control.objects.owned import is_newer
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import ProviderKey, Requests
from taskaction.control.objects.sweep import LIVE_SELECTOR
from taskaction.control.objects.tables import ActionTable
from taskaction.control.objects.tree import ParentLink
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.control.task_actions.arrivals import ListedArrivals, creation_order
from taskaction.control.task_actions.journal import ActionRecorder
from taskaction.control.task_actions.listener import ActionListener
from taskaction.control.task_actions.placing import ActionPlacer
from taskaction.control.task_actions.queueing import Queueing
from taskaction.control.task_actions.relevance import ActionRelevance
from taskaction.control.task_actions.teardown import Teardown
from taskaction.core.clock import Clock
from taskaction.execution.manager import ExecutionManager

ADDED, DELETED = "ADDED", "DELETED"
READS = 16
"""Maximum number of actions that are read at the same time: each may be large."""
_AT_ONCE = 50
"""Number of listed actions after which the loop runs other tasks, such as leases."""
_SETTLE_SECONDS = 0.2


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
        family: ParentTracker,
        placer: ActionPlacer,
        queueing: Queueing,
        manager: ExecutionManager,
        tenures: ShardTenures,
        teardown: Teardown,
        dispatcher: EventDispatcher,
        editor: ObjectEditor[ActionRecord],
        requests: Requests,
        relevance: ActionRelevance,
        listener: ActionListener,
        namespaces: Sequence[str] = (),
    ) -> None:
        """Create an intake; ``listener`` hears of every action whose status another process has written."""
        self._cluster = cluster
        self._clock = clock
        self._persistently = persistently
        self._background = background
        self._journal = journal
        self._table = table
        self._family = family
        self._placer = placer
        self._queueing = queueing
        self._manager = manager
        self._tenures = tenures
        self._teardown = teardown
        self._dispatcher = dispatcher
        self._editor = editor
        self._requests = requests
        self._relevance = relevance
        self._listener = listener
        self._namespaces = namespaces
        self._reads = asyncio.Semaphore(READS)
        self._reads_pending: set[str] = set()
        self._parents_pending: set[ParentLink] = set()
        self._ended_meanwhile: set[str] | None = None  # while a list is read
        self._arrivals = ListedArrivals(clock, background, self._admit)

    def on_notification(self, kind: str | None, body: Body) -> None:
        """Process one notification; ``kind`` is the type of the watch event, None for a listed object."""
        uid = body["metadata"]["uid"]
        if uid in self._table.finished:
            return
        record = self._table.get(uid)
        if kind == DELETED:
            self._on_watch_deleted(body, record)
            return
        if record is None and self._relevance.is_unneeded(body):
            return
        action = self._parse(body)
        if action is None:
            return
        if record is None and self._manager.is_open and kind is None:
            self._arrivals.add_listed(action)
        elif record is None and self._arrivals:
            self._arrivals.add(action)
        elif record is None:
            self._admit(action)
        elif is_newer(record.version, action.metadata.resource_version):
            self._update(record, action)

    def on_missing(self, record: ActionRecord) -> None:
        """Read an action that a list did not show."""
        if record.uid in self._reads_pending:
            return  # that read has not begun, and will show this change, too
        self._reads_pending.add(record.uid)
        self._background.start(self._examine(record), name=f"examine {record.uid}")

    async def list_unknown(self) -> None:
        """List all unfinished actions, and admit those that are not known, in the order of their creation.

        The list shows them by name, and the watch may be ahead of it. Raise ``ClusterError`` if the list fails.
        """
        listed = list_objects(self._cluster, TASK_ACTIONS, self._namespaces, field_selector=LIVE_SELECTOR)
        self._ended_meanwhile = set()
        found: list[TaskAction] = []
        try:
            turns = itertools.count(1)
            async for body in listed:
                if self._is_unknown(body["metadata"]["uid"]) and (action := self._parse(body)) is not None:
                    found.append(action)
                await _let_others_run(next(turns))
            while self._arrivals:
                await self._clock.sleep(_SETTLE_SECONDS)
            for action in sorted(found, key=creation_order):
                if self._is_unknown(action.metadata.uid):
                    self._admit(action)
                await _let_others_run(next(turns))
        finally:
            self._ended_meanwhile = None

    def read_parent(self, link: ParentLink) -> None:
        """Read a live action that the watch has left out, because it is the parent of a known object."""
        pending = link in self._parents_pending or self._table.get(link.uid) is not None
        if self._relevance.is_limited and not pending:
            self._parents_pending.add(link)
            self._background.start(self._read_parent(link), name=f"read parent {link.uid}")

    def on_shard_acquired(self, shard: int) -> None:
        """Reconcile the actions of a shard that this process owns from now on.

        First all get their places in their partitions, and those with an attempt the seats that limits count.
        """
        acquired = self._placer.sort(record for record in self._table if record.shard == shard)
        for record in acquired:
            record.take_over(self._former_holder_gone_since(record))
            self._guard("keep the place of", record, self._queueing.keep_place)
        self._requests.reconcile_in_order(acquired)

    def on_shard_lost(self, shard: int) -> None:
        """Drop the actions of a shard that another process owns; calls under way may end."""
        for record in self._table:
            if record.shard == shard:
                self._teardown.on_shard_released(record)

    def on_provider_changed(self, key: ProviderKey) -> None:
        """Reconcile the actions of a provider that was created, changed or deleted."""
        concerned = self._placer.sort(self._table.of_provider(key))
        for record in concerned:
            if not record.has_parameters:
                self.on_missing(record)  # what they mean depends on the provider
            self._guard("place", record, self._placer.place)
        self._requests.reconcile_in_order(concerned)

    def _guard(self, task: str, record: ActionRecord, step: Callable[[ActionRecord], object]) -> None:
        """Take a step with one of several actions; what a plug-in raises about it ends nothing for the others."""
        try:
            step(record)
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
            self._journal.on_task_failed(f"{task} {record.uid}", error)

    def _parse(self, body: Body) -> TaskAction | None:
        """Return the action in an object; report an object that is not valid, and return None."""
        try:
            return TaskAction.from_body(body)
        except ValidationError as error:
            self._journal.on_task_failed(f"read TaskAction {body['metadata']['uid']}", error)
            return None

    def _is_unknown(self, uid: str) -> bool:
        """Whether a listed action is not known, and has not ended since the list began."""
        has_ended = uid in self._table.finished or uid in (self._ended_meanwhile or ())
        return not has_ended and self._table.get(uid) is None

    def _admit(self, action: TaskAction) -> None:
        if action.status.phase.is_terminal:
            return
        record = ActionRecord.from_action(action)
        self._table.add(record)
        self._journal.on_action_admitted(record)
        self._dispatcher.track(record)
        self._guard("place", record, self._placer.place)
        may_be_refused = self._manager.is_open and self._tenures.owns(record.shard)
        record.take_over(self._former_holder_gone_since(record), may_be_refused=may_be_refused)
        self._requests.reconcile(record)

    def _update(self, record: ActionRecord, action: TaskAction) -> None:
        overtaken = record.is_overtaken(action.status)
        if overtaken and record.flushing is not None:
            return  # the running write will notice, and must not replace the status of the other owner
        if record.update_action(action, overtaken=overtaken):
            self._listener.on_action_changed(record)
        if overtaken:
            self._teardown.on_overtaken(record)
            record.take_over(self._former_holder_gone_since(record))
        self._dispatcher.track(record)
        self._placer.place(record)
        self._requests.reconcile(record)

    def _former_holder_gone_since(self, record: ActionRecord) -> datetime:
        """Return since when the holder of the claim has been gone: its attempt gets its grace once."""
        claim = record.status.claim
        return self._clock.now() if claim is None else self._tenures.gone_since(record.shard, claim.epoch)

    def _on_watch_deleted(self, body: Body, record: ActionRecord | None) -> None:
        """Handle ``DELETED``: the object was deleted, or it finished and so left the selector of the watch."""
        uid = body["metadata"]["uid"]
        self._arrivals.drop(uid)
        if self._ended_meanwhile is not None:
            self._ended_meanwhile.add(uid)
        if record is None:
            self._on_unknown_ended(body)
        else:
            self._on_known_ended(record)

    def _on_known_ended(self, record: ActionRecord) -> None:
        if record.is_being_finished:
            return
        involved = record.activity.is_under_way or self._tenures.owns(record.shard)
        if involved or self._family.is_related(record):
            self.on_missing(record)
        else:
            self._teardown.on_finished(record)  # finished or deleted: it makes no difference here

    def _on_unknown_ended(self, body: Body) -> None:
        """Handle the end of an action that is not known: it may be a parent that is being read."""
        metadata = body["metadata"]
        link = ParentLink(uid=metadata["uid"], name=metadata["name"], namespace=metadata["namespace"])
        self._parents_pending.discard(link)
        if self._relevance.is_parent(link):
            self._family.look_up(link)

    async def _read_parent(self, link: ParentLink) -> None:
        async with self._reads:
            body = await self._persistently(lambda: self._cluster.get(TASK_ACTIONS, link.name, link.namespace))
        is_current = link in self._parents_pending
        self._parents_pending.discard(link)
        if is_current and body is not None and body["metadata"]["uid"] == link.uid and not has_ended(body):
            self.on_notification(ADDED, body)
        else:
            self._family.look_up(link)

    async def _examine(self, record: ActionRecord) -> None:
        async with self._reads:
            self._reads_pending.discard(record.uid)
            body = await self._persistently(lambda: self._cluster.get(TASK_ACTIONS, record.name, record.namespace))
            if self._table.get(record.uid) is record:
                self._on_examined(record, body)

    def _on_examined(self, record: ActionRecord, body: Body | None) -> None:
        if body is None or body["metadata"]["uid"] != record.uid:
            self._teardown.on_deleted(record)
            return
        action = TaskAction.from_body(body)
        if action.status.phase.is_terminal:
            if record.is_being_finished:
                return
            if record.is_finished:  # by an own write; what follows an end is not done yet
                self._requests.reconcile(record)
                return
            record.finish_elsewhere(action)
            self._teardown.on_finished_elsewhere(record)
            if self._tenures.owns(record.shard):  # its former owner may have ended before it could free the object
                self._background.start(self._editor.remove_finalizer(record), name=f"free {record.uid}")
        elif is_newer(known=action.metadata.resource_version, seen=record.version):
            self.on_missing(record)  # an own write was faster than the read
        else:
            self._update(record, action)


async def _let_others_run(turn: int) -> None:
    if turn % _AT_ONCE == 0:
        await asyncio.sleep(0)
