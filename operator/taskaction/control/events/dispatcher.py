"""Keeps ActionEvents until the action that each means has taken it, and deletes them then; judges no action.

An event is a reason to poll. It is deleted when what the poll gave is on record, so a crash repeats it and loses none.
One that comes before its action is known, or before the action's external id is, waits here until its time is over.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TypeVar

from pydantic import ValidationError

from taskaction.api.action_event import TRACE, UPDATE, ActionEvent
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import ACTION_EVENTS, Body, Cluster
from taskaction.control.events.matching import Kept, Place, Subject
from taskaction.control.objects.background import Background
from taskaction.control.objects.objects import Persistently
from taskaction.control.objects.records import LATE_NOTICES, Record, Table
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda
from taskaction.plugin.base import Delivery

Key = TypeVar("Key")

KEPT_EVENTS = 20_000
KEPT_BYTES = 64 * 1024 * 1024
"""How much is kept in memory; what is beyond is found again by a scan."""

ENDED_FOR = timedelta(seconds=60)
"""How long an event may wait whose name or key is that of an action that has ended: another may be about to get it."""

_AGAIN = timedelta(seconds=30)
_IN_FLIGHT = 16


class Deliveries:
    """The events that wait, by whom they mean."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        persistently: Persistently,
        background: Background,
        table: Table,
        subject: Callable[[Record], Subject],
        owns: Callable[[int], bool],
        answers_for: Callable[[str], bool],
        changed: Callable[[str], None],
        shared: str,
        namespaces: Sequence[str] = (),
    ) -> None:
        """Keep what the watch tells.

        ``owns`` says whether a shard is this process's, ``answers_for`` whether an event that nobody takes is.
        ``changed`` is called with the uid of an action that has something to take. ``shared`` is the operator's own
        namespace.
        """
        self._cluster = cluster
        self._clock = clock
        self._persistently = persistently
        self._background = background
        self._table = table
        self._subject = subject
        self._owns = owns
        self._answers_for = answers_for
        self._changed = changed
        self._shared = shared
        self._namespaces = namespaces
        self._events: dict[str, Kept] = {}
        self._places: dict[Place, dict[str, None]] = {}
        self._called: dict[str, str] = {}
        self._callers: dict[str, dict[str, None]] = {}
        self._handed: dict[str, tuple[str, ...]] = {}
        self._taken: dict[str, tuple[str, ...]] = {}
        self._ended: dict[Place, float] = {}
        self._deleted: dict[str, float] = {}
        self._bytes = 0
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._agenda = Agenda(clock, self._due)

    def __len__(self) -> int:
        """Give how many events wait."""
        return len(self._events)

    # -- what the watch and the engine say ----------------------------------------------------------------------------

    def notice(self, event: str | None, body: Body) -> None:
        """Take in one notification about an ActionEvent; raises ``ValidationError`` where it cannot be read."""
        uid = body["metadata"]["uid"]
        if event == "DELETED":
            self._drop(uid)
            return
        if uid in self._events or uid in self._deleted:
            return
        kept = Kept.of(ActionEvent.from_body(body))
        if kept.type == TRACE:
            return
        if len(self._events) >= KEPT_EVENTS or self._bytes + len(kept.payload) > KEPT_BYTES:
            return
        self._add(kept)
        record = self._meant(kept)
        if record is not None:
            if self._owns(record.shard):
                self._arrived(kept, record)
        elif kept.place[0] == "uid" and kept.place[1] in self._table.finished:
            self._delete(kept)
        elif kept.place in self._ended:
            self._agenda.set(uid, min(kept.expires_at, self._clock.now() + ENDED_FOR))

    def know(self, record: Record) -> bool:
        """Take note of what an action of this process is called; say whether it has something new to take."""
        called, before = record.status.external_id, self._called.get(record.uid)
        if called != before:
            self._uncall(record.uid)
            if called is not None:
                self._called[record.uid] = called
                self._callers.setdefault(called, {})[record.uid] = None
        if not self._events:
            return False
        told = (*self._handed.get(record.uid, ()), *self._taken.get(record.uid, ()))
        return any(kept.uid not in told for kept in self._waiting(record))

    def hand_over(self, record: Record) -> tuple[Delivery, ...]:
        """Give what an action's next poll is told, in the order of receipt."""
        return self._given(record, [kept for kept in self._waiting(record) if kept.type != UPDATE])

    def reports(self, record: Record) -> tuple[Delivery, ...]:
        """Give what is reported of an action's attempt, in the order of receipt: that is for its owner."""
        waiting = [kept for kept in self._waiting(record) if kept.type == UPDATE]
        return self._given(record, waiting) if waiting else ()

    def _given(self, record: Record, waiting: list[Kept]) -> tuple[Delivery, ...]:
        self._taken.pop(record.uid, None)
        waiting.sort(key=lambda kept: kept.received_at)
        self._handed[record.uid] = tuple(kept.uid for kept in waiting)
        return tuple(kept.delivery for kept in waiting)

    def taken(self, record: Record) -> None:
        """Take note that the poll has ended with an outcome, which what was handed over has led to."""
        self._taken[record.uid] = self._handed.pop(record.uid, ())

    def has_taken(self, record: Record) -> bool:
        """Say whether an outcome that is to be on record was led to by something that is not deleted yet."""
        return bool(self._taken.get(record.uid))

    def applied(self, record: Record) -> None:
        """Delete what has led to an outcome: it is on record."""
        for uid in self._taken.pop(record.uid, ()):
            if (kept := self._events.get(uid)) is not None:
                self._delete(kept)

    def forget(self, uid: str) -> None:
        """Let go of an action that this process does not follow any more; its events stay."""
        self._uncall(uid)
        self._handed.pop(uid, None)
        self._taken.pop(uid, None)

    def ended(self, record: Record) -> None:
        """Delete what waits for an action that has ended, and take note that late events of it are worth nothing."""
        for kept in list(self._waiting(record)):
            self._delete(kept)
        now = self._clock.monotonic()
        for place in self._subject(record).places:
            self._ended.pop(place, None)
            self._ended[place] = now
        _forget_old(self._ended, now - LATE_NOTICES)

    # -- time ---------------------------------------------------------------------------------------------------------

    async def run_agenda(self) -> None:
        """Delete events that nobody has taken when their time is over, until cancelled."""
        await self._agenda.run()

    async def run_scans(self, interval: float, failed: Callable[[str, BaseException], None]) -> None:
        """Compare with the API server every ``interval`` seconds until cancelled."""
        while True:
            await self._clock.sleep(interval)
            try:
                await self.sweep()
            except ClusterError as error:
                failed("look through ActionEvents", error)

    async def sweep(self) -> None:
        """Find what there was no room for, and forget what was deleted while the watch was not looking."""
        vanished = set(self._events)
        for namespace in self._namespaces or ("",):
            async for body in self._cluster.list(ACTION_EVENTS, namespace):
                vanished.discard(body["metadata"]["uid"])
                try:
                    self.notice(None, body)
                except ValidationError:
                    continue  # the watch has told of it; it is left for people to delete
        for uid in vanished:
            self._drop(uid)

    def _due(self, uid: str) -> None:
        kept = self._events.get(uid)
        if kept is None:
            return
        if self._meant(kept) is not None or not (self._answers_for(uid) or kept.place in self._ended):
            self._agenda.set(uid, self._clock.now() + _AGAIN)
        else:
            self._delete(kept)

    # -- whom an event means ------------------------------------------------------------------------------------------

    def _arrived(self, kept: Kept, record: Record) -> None:
        if kept.is_past(self._subject(record)):
            self._delete(kept)
        else:
            self._changed(record.uid)

    def _meant(self, kept: Kept) -> Record | None:
        """Give the live action that an event means, as far as this process can know."""
        return next((one for one in self._candidates(kept) if kept.means(self._subject(one), self._shared)), None)

    def _candidates(self, kept: Kept) -> Iterator[Record]:
        by, *said = kept.place
        uids: Iterable[str] = ()
        if by == "key":
            uids = self._callers.get(said[0], ())
        elif by == "uid":
            uids = (said[0],)
        elif (named := self._table.named(said[0], said[1])) is not None:
            uids = (named.uid,)
        for uid in uids:
            if (record := self._table.get(uid)) is not None:
                yield record

    def _waiting(self, record: Record) -> Iterator[Kept]:
        """Give the events that mean an action; those about attempts that are over are deleted."""
        if not self._events:
            return
        subject = self._subject(record)
        for place in subject.places:
            for uid in list(self._places.get(place, ())):
                kept = self._events[uid]
                if not kept.means(subject, self._shared) or kept.is_early(subject):
                    continue
                if kept.is_past(subject):
                    self._delete(kept)
                else:
                    yield kept

    def _uncall(self, uid: str) -> None:
        if (called := self._called.pop(uid, None)) is not None:
            self._callers[called].pop(uid)
            if not self._callers[called]:
                del self._callers[called]

    # -- what is kept -------------------------------------------------------------------------------------------------

    def _add(self, kept: Kept) -> None:
        self._events[kept.uid] = kept
        self._places.setdefault(kept.place, {})[kept.uid] = None
        self._bytes += len(kept.payload)
        self._agenda.set(kept.uid, kept.expires_at)

    def _drop(self, uid: str) -> None:
        kept = self._events.pop(uid, None)
        if kept is None:
            return
        self._bytes -= len(kept.payload)
        self._agenda.set(uid, None)
        self._places[kept.place].pop(uid)
        if not self._places[kept.place]:
            del self._places[kept.place]

    def _delete(self, kept: Kept) -> None:
        self._drop(kept.uid)
        now = self._clock.monotonic()
        self._deleted[kept.uid] = now  # a notification of it may still be on its way
        _forget_old(self._deleted, now - LATE_NOTICES)
        self._background.start(self._remove(kept), name=f"delete ActionEvent {kept.namespace}/{kept.name}")

    async def _remove(self, kept: Kept) -> None:
        async with self._slots:
            await self._persistently(
                lambda: self._cluster.delete(ACTION_EVENTS, kept.name, kept.namespace, uid=kept.uid)
            )


def _forget_old(times: dict[Key, float], before: float) -> None:
    """Take out what is older than ``before``; the oldest come first."""
    while times and times[oldest := next(iter(times))] < before:
        del times[oldest]
