"""Delivery of ActionEvents: keeps each until its action has consumed it, then deletes it; decides nothing.

An event is a reason to poll. It is deleted after the outcome of that poll is recorded, so a crash repeats an event and
loses none. An event that arrives before its action, or before the action's external ID, waits here until it expires.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta

from pydantic import ValidationError

from taskaction.api.action_event import TRACE, UPDATE, ActionEvent
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import ACTION_EVENTS, Body, Cluster
from taskaction.control.events.matching import EventAddress, EventSubject, WaitingEvent, ambiguity_event
from taskaction.control.events.recent import RecentTable
from taskaction.control.events.room import EventRoom
from taskaction.control.events.target_lookup import TargetLookup
from taskaction.control.events.unmatched import UNMATCHED_AFTER, UnmatchedEvents
from taskaction.control.objects.background import Background
from taskaction.control.objects.objects import RetryingCall
from taskaction.control.objects.owned import OwnedObject
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import Requests
from taskaction.control.objects.tables import ActionTable
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda, FailureHandler
from taskaction.lifecycle.decisions import RecordEvent
from taskaction.plugin.base import Delivery
from taskaction.plugin.event_content import EventContents
from taskaction.plugin.storage import StorageError

MAX_WAITING_EVENTS = 20_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Limits of the events in memory, shared between namespaces; a scan finds the others again."""

FINISHED_GRACE = timedelta(seconds=60)
"""Time that an event waits whose name or key is that of a finished action, because a new action may get the same."""

_AGAIN = timedelta(seconds=30)
_AGAIN_SOON = timedelta(seconds=5)
_IN_FLIGHT = 16


class EventDispatcher:
    """Waiting events by the action that they are for."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        persistently: RetryingCall,
        background: Background,
        table: ActionTable,
        subject: Callable[[ActionRecord], EventSubject],
        tenures: ShardTenures,
        requests: Requests,
        post: Callable[[OwnedObject, RecordEvent], None],
        contents: EventContents,
        unmatched: UnmatchedEvents,
        lookup: TargetLookup,
        shared: str,
        namespaces: Sequence[str] = (),
    ) -> None:
        """Create a dispatcher.

        It requests a poll of each action that has something to consume. ``subject`` returns what events can match;
        ``post`` queues a Kubernetes Event, ``shared`` is the operator's own namespace.
        """
        self._cluster = cluster
        self._clock = clock
        self._persistently = persistently
        self._background = background
        self._table = table
        self._subject = subject
        self._tenures = tenures
        self._requests = requests
        self._post = post
        self._contents = contents
        self._unmatched = unmatched
        self._lookup = lookup
        self._reported: set[str] = set()
        self._shared = shared
        self._namespaces = namespaces
        self._events: dict[str, WaitingEvent] = {}
        self._places: dict[EventAddress, dict[str, None]] = {}
        self._external_ids_by_uid: dict[str, str] = {}
        self._uids_by_external_id: dict[str, dict[str, None]] = {}
        self._handed: dict[str, tuple[str, ...]] = {}
        self._taken: dict[str, tuple[str, ...]] = {}
        self._ended: RecentTable[EventAddress, EventSubject] = RecentTable()
        self._deleted: RecentTable[str, None] = RecentTable()
        self._postponed: dict[str, str] = {}
        self._room = EventRoom(events=MAX_WAITING_EVENTS, payload_bytes=MAX_WAITING_BYTES)
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._agenda: Agenda[str] = Agenda(clock)

    def __len__(self) -> int:
        """Return the number of waiting events."""
        return len(self._events)

    # -- notifications and calls of the reconciler --------------------------------------------------------------------

    def on_notification(self, event: str | None, body: Body) -> None:
        """Process one notification about an ActionEvent; raise ``ValidationError`` if it is invalid."""
        uid = body["metadata"]["uid"]
        if event == "DELETED":
            self._on_deleted(uid)
            return
        if uid in self._events or uid in self._deleted:
            return
        kept = WaitingEvent.from_event(ActionEvent.from_body(body))
        if kept.type == TRACE:
            return
        if not self._room.has_room(kept):
            return
        self._add(kept)
        record = self._find_target(kept)
        if self._is_ambiguous(kept):
            self._refuse(kept)
        elif record is not None:
            if self._tenures.owns(record.shard):
                self._deliver(kept, record)
        elif kept.place[0] == "uid" and kept.place[1] in self._table.finished:
            self._delete(kept)
        elif kept.place in self._ended:
            self._agenda.set(uid, min(kept.expires_at, self._clock.now() + FINISHED_GRACE))

    def index_external_id(self, record: ActionRecord) -> bool:
        """Index an action by its external ID; return whether it has new events to consume."""
        self.track(record)
        if not self._events:
            return False
        told = (*self._handed.get(record.uid, ()), *self._taken.get(record.uid, ()))
        return any(kept.uid not in told for kept in self._waiting_for(record))

    def track(self, record: ActionRecord) -> None:
        """Index a live action by its external ID, also one of another replica: an event may fit both."""
        if self._table.get(record.uid) is not record:
            return
        called, before = record.status.external_id, self._external_ids_by_uid.get(record.uid)
        if called != before:
            self._unindex_external_id(record.uid)
            if called is not None:
                self._external_ids_by_uid[record.uid] = called
                self._uids_by_external_id.setdefault(called, {})[record.uid] = None

    def take_deliveries(self, record: ActionRecord) -> tuple[Delivery, ...]:
        """Return the events for the next poll of an action, in the order of receipt."""
        return self._hand_out(record, [kept for kept in self._waiting_for(record) if kept.type != UPDATE])

    def take_reports(self, record: ActionRecord) -> tuple[Delivery, ...]:
        """Return the events of type ``Update`` about an action's attempt, in the order of receipt."""
        waiting = [kept for kept in self._waiting_for(record) if kept.type == UPDATE]
        return self._hand_out(record, waiting) if waiting else ()

    def _hand_out(self, record: ActionRecord, waiting: list[WaitingEvent]) -> tuple[Delivery, ...]:
        self._taken.pop(record.uid, None)
        waiting.sort(key=lambda kept: kept.received_at)
        self._handed.pop(record.uid, None)
        if waiting:
            self._handed[record.uid] = tuple(kept.uid for kept in waiting)
        return tuple(kept.delivery for kept in waiting)

    def find_waiting(self, uid: str) -> WaitingEvent | None:
        """Return an event that was handed out, by its uid."""
        return self._events.get(uid)

    def postpone(self, record: ActionRecord, uid: str) -> bool:
        """Take back an event that could not be delivered, and request another poll of the action for it soon.

        Return whether that is so for the first time.
        """
        if (handed := self._handed.get(record.uid)) is not None:
            self._handed[record.uid] = tuple(one for one in handed if one != uid)
        is_first = uid not in self._postponed
        if uid in self._events:
            self._postponed[uid] = record.uid
            self._agenda.set(uid, self._clock.now() + (_AGAIN_SOON if is_first else _AGAIN))
        return is_first

    def mark_consumed(self, record: ActionRecord) -> None:
        """Mark the handed out events as consumed, because the poll has ended with an outcome."""
        if handed := self._handed.pop(record.uid, ()):
            self._taken[record.uid] = handed

    def has_consumed(self, record: ActionRecord) -> bool:
        """Whether the outcome to record consumed events that are not deleted yet."""
        return bool(self._taken.get(record.uid))

    def delete_consumed(self, record: ActionRecord) -> None:
        """Delete the consumed events: their outcome is recorded."""
        for uid in self._taken.pop(record.uid, ()):
            if (kept := self._events.get(uid)) is not None:
                self._delete(kept)

    def forget(self, uid: str) -> None:
        """Forget what an action has taken, because another process calls its executor; its events stay."""
        self._handed.pop(uid, None)
        self._taken.pop(uid, None)

    def on_action_finished(self, record: ActionRecord) -> None:
        """Delete the events of a finished action, and remember its addresses for late events."""
        for kept in list(self._waiting_for(record)):
            self._delete(kept)
        now = self._clock.monotonic()
        subject = self._subject(record)
        for place in subject.places:
            self._ended.add(place, subject, now)
        self._unindex_external_id(record.uid)

    # -- time ---------------------------------------------------------------------------------------------------------

    async def run_agenda(self, failed: FailureHandler) -> None:
        """Delete unconsumed events when they expire, until cancelled; ``failed`` gets what one of them raises."""
        await self._agenda.run(self._on_due, failed)

    async def run_scans(self, interval: float, failed: Callable[[str, BaseException], None]) -> None:
        """Compare with the API server every ``interval`` seconds until cancelled."""
        while True:
            await self._clock.sleep(interval)
            try:
                await self.sweep()
            except ClusterError as error:
                failed("scan ActionEvents", error)

    async def sweep(self) -> None:
        """Add events that exceeded the limits before, and forget those whose deletion the watch missed."""
        vanished = set(self._events)
        for namespace in self._namespaces or ("",):
            async for body in self._cluster.list(ACTION_EVENTS, namespace):
                vanished.discard(body["metadata"]["uid"])
                try:
                    self.on_notification(None, body)
                except ValidationError:
                    continue  # the watch has reported it; a user must delete it
        for uid in vanished:
            self._drop(uid)

    def _on_due(self, uid: str) -> None:
        kept = self._events.get(uid)
        if kept is None:
            return
        if (waits := self._postponed.get(uid)) is not None:
            self._requests.polls.add(waits)
        if self._find_target(kept) is not None or not (self._tenures.owns_key(uid) or kept.place in self._ended):
            self._agenda.set(uid, self._clock.now() + _AGAIN)
        elif self._lookup.is_needed(kept):
            self._agenda.set(uid, self._clock.now() + _AGAIN)
            self._lookup.request(kept, self._on_absent)
        else:
            self._on_absent(kept)

    def _on_absent(self, kept: WaitingEvent) -> None:
        """Handle that no unfinished action is the target of an event."""
        if kept.uid not in self._events:
            return
        if kept.place in self._ended:
            self._delete(kept)
        else:
            self._on_unmatched(kept)

    def _on_unmatched(self, kept: WaitingEvent) -> None:
        """Report once an event that matches no action, and delete it when it expires."""
        if kept.uid not in self._reported:
            self._reported.add(kept.uid)
            self._unmatched.report(kept)
        if self._clock.now() < kept.expires_at:
            self._agenda.set(kept.uid, kept.expires_at)
        else:
            self._delete(kept)

    # -- addressing ---------------------------------------------------------------------------------------------------

    def _deliver(self, kept: WaitingEvent, record: ActionRecord) -> None:
        if kept.is_past(self._subject(record)):
            self._delete(kept)
        else:
            self._requests.polls.add(record.uid)

    def _find_target(self, kept: WaitingEvent) -> ActionRecord | None:
        """Return the live action that an event is for, as far as this process knows."""
        return next(self._targets(kept), None)

    def _targets(self, kept: WaitingEvent) -> Iterator[ActionRecord]:
        return (one for one in self._candidates(kept) if kept.is_for(self._subject(one), self._shared))

    def _is_ambiguous(self, kept: WaitingEvent) -> bool:
        """Whether an event is for actions of several namespaces, live or just ended: users can choose external IDs."""
        if kept.target is not None or kept.namespace != self._shared:
            return False
        namespaces = {record.namespace for record in self._targets(kept)}
        ended = self._ended.get(kept.place)
        if ended is not None and kept.is_for(ended, self._shared):
            namespaces.add(ended.namespace)
        return len(namespaces) > 1

    def _refuse(self, kept: WaitingEvent) -> None:
        """Deliver an event to none of the actions that it is for, and say so."""
        mine = [record for record in self._targets(kept) if self._tenures.owns(record.shard)]
        for record in mine:
            self._post(record.action, ambiguity_event(kept))
        if mine:
            self._delete(kept)

    def _candidates(self, kept: WaitingEvent) -> Iterator[ActionRecord]:
        by, *said = kept.place
        uids: Iterable[str] = ()
        if by == "key":
            uids = self._uids_by_external_id.get(said[0], ())
        elif by == "uid":
            uids = (said[0],)
        elif (named := self._table.get_by_name(said[0], said[1])) is not None:
            uids = (named.uid,)
        for uid in uids:
            if (record := self._table.get(uid)) is not None:
                yield record

    def _waiting_for(self, record: ActionRecord) -> Iterator[WaitingEvent]:
        """Iterate over the events for an action; delete those about earlier attempts."""
        if not self._events:
            return
        subject = self._subject(record)
        for place in subject.places:
            for uid in list(self._places.get(place, ())):
                kept = self._events[uid]
                if not kept.is_for(subject, self._shared) or kept.is_early(subject):
                    continue
                if self._is_ambiguous(kept):
                    self._refuse(kept)
                elif kept.is_past(subject):
                    self._delete(kept)
                else:
                    yield kept

    def _unindex_external_id(self, uid: str) -> None:
        if (called := self._external_ids_by_uid.pop(uid, None)) is not None:
            self._uids_by_external_id[called].pop(uid)
            if not self._uids_by_external_id[called]:
                del self._uids_by_external_id[called]

    # -- storage ------------------------------------------------------------------------------------------------------

    def _add(self, kept: WaitingEvent) -> None:
        self._events[kept.uid] = kept
        self._places.setdefault(kept.place, {})[kept.uid] = None
        self._room.add(kept)
        self._agenda.set(kept.uid, min(kept.expires_at, self._clock.now() + UNMATCHED_AFTER))

    def _drop(self, uid: str) -> None:
        kept = self._events.pop(uid, None)
        if kept is None:
            return
        self._postponed.pop(uid, None)
        self._reported.discard(uid)
        self._room.remove(kept)
        self._agenda.set(uid, None)
        self._places[kept.place].pop(uid)
        if not self._places[kept.place]:
            del self._places[kept.place]

    def _delete(self, kept: WaitingEvent) -> None:
        self._drop(kept.uid)
        self._deleted.add(kept.uid, None, self._clock.monotonic())  # a late notification must not add it again
        self._background.start(self._remove(kept), name=f"delete ActionEvent {kept.namespace}/{kept.name}")

    async def _remove(self, kept: WaitingEvent) -> None:
        async with self._slots:
            await self._persistently(
                lambda: self._cluster.delete(ACTION_EVENTS, kept.name, kept.namespace, uid=kept.uid)
            )
            await self._remove_content(kept)

    def _on_deleted(self, uid: str) -> None:
        kept = self._events.get(uid)
        self._drop(uid)
        if kept is not None and kept.is_stored and self._tenures.owns_key(uid):
            self._background.start(self._remove_content(kept), name=f"clear ActionEvent {kept.name}")

    async def _remove_content(self, kept: WaitingEvent) -> None:
        if kept.content is not None:
            with suppress(StorageError):  # what is left costs space, and nothing reads it
                await self._contents.remove(kept.content_key, kept.content)
