"""History of the operator: turns objects into records, and decides whether an expired object may be deleted."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from pydantic import ValidationError

from taskaction.api.enums import ParentKind
from taskaction.cluster.gateway import Cluster
from taskaction.control.objects.background import Background
from taskaction.control.objects.history import ExpiredObject
from taskaction.control.objects.objects import RetryingCall
from taskaction.control.objects.owned import RESOURCES, OwnedObject, OwnedRecord, parse_object, version_number
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.clock import Clock
from taskaction.history.availability import Availability
from taskaction.history.errors import HistoryUnavailableError
from taskaction.history.lookups import VersionLookup
from taskaction.history.records import Record, deleted_record, finished_record
from taskaction.history.writer import HistoryRecorder, HistoryWriter, RecordDatabase

T = TypeVar("T")


class HistoryDatabase(RecordDatabase, Protocol):
    """Database that can be closed."""

    async def close(self) -> None:
        """Close all connections."""


class HistoryKeeper:
    """History of one replica.

    An object that is not recorded when it expires is read and recorded first. One that cannot be recorded, because the
    database is away or refuses it, is kept for at most ``hold`` after its expiry; None is forever.
    """

    def __init__(
        self,
        *,
        database: HistoryDatabase,
        cluster: Cluster,
        clock: Clock,
        jitter: Callable[[], float],
        background: Background,
        persistently: RetryingCall,
        tenures: ShardTenures,
        recorder: HistoryRecorder,
        hold: timedelta | None,
    ) -> None:
        self._database = database
        self._cluster = cluster
        self._clock = clock
        self._background = background
        self._persistently = persistently
        self._tenures = tenures
        self._recorder = recorder
        self._hold = hold
        self._lookup = VersionLookup(database, clock)
        self._availability = Availability(clock, jitter)
        self._writer = HistoryWriter(database, clock, self._availability, recorder)

    @property
    def waiting(self) -> int:
        """Number of records that wait to be written."""
        return len(self._writer)

    @property
    def away_seconds(self) -> float:
        """Seconds since the database does not answer; 0 if it does."""
        return self._availability.away_seconds

    def on_finished(self, record: OwnedRecord) -> None:
        """Record an object whose end this process has stored; one that is not whole in memory is read first."""
        if not record.is_complete:
            self._background.start(self._complete_and_record(record), name=f"record {record.uid}")
        elif record.stored.finished_at is not None:
            self._writer.add(finished_record(_as_stored(record), version_number(record.version)))

    def on_deleted(self, record: OwnedRecord) -> None:
        """Record an object that was deleted before its end, if this process owns it."""
        if self._tenures.owns(record.shard):
            self._writer.add(_deleted_record(record, self._clock.now()))

    async def compare(self, kind: ParentKind, finished: Sequence[OwnedObject]) -> None:  # noqa: ARG002 - of a History
        """Record those of some finished objects that are not recorded as they are."""
        if not finished:
            return
        known = await self._ask(lambda: self._database.find_versions([one.metadata.uid for one in finished]))
        if known is None:
            return
        for one in finished:
            version = version_number(one.metadata.resource_version)
            if known.get(one.metadata.uid, -1) < version:
                self._writer.add(finished_record(one, version))

    async def may_delete(self, expired: ExpiredObject) -> bool:
        """Whether an expired object is recorded, if necessary now, or was held for long enough."""
        if await self._is_recorded(expired.uid):
            return True
        if not self._availability.is_away:
            await self._read_and_record(expired.kind, expired.name, expired.namespace, expired.uid)
            if await self._is_recorded(expired.uid):
                return True
        if self._hold is not None and self._clock.now() - expired.expired_at > self._hold:
            self._recorder.on_history_missed("HoldExceeded", expired.namespace, expired.name)
            return True
        return False

    async def run(self) -> None:
        """Write what is queued, until cancelled."""
        await self._writer.run()

    async def close(self, seconds: float) -> None:
        """Write what is queued within some seconds, and close the database."""
        await self._writer.finish(seconds)
        await self._database.close()

    async def _is_recorded(self, uid: str) -> bool:
        """Whether an object is in the database, once its queued record is written; False if the database is away."""
        await self._writer.wait_for(uid)
        return await self._ask(lambda: self._lookup.find_version(uid)) is not None

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T | None:
        """Return the answer of the database; None if it is away, which is not tried again at each question."""
        if self._availability.pause:
            return None
        try:
            answer = await question()
        except HistoryUnavailableError as error:
            self._availability.on_failed()
            self._recorder.on_history_failed(error)
            return None
        self._availability.on_answered()
        return answer

    async def _complete_and_record(self, record: OwnedRecord) -> None:
        """Record a finished object as the API server has it; without what was dropped if it is gone already."""
        exists = await self._read_and_record(record.kind, record.name, record.namespace, record.uid)
        if not exists and record.stored.finished_at is not None:
            self._writer.add(finished_record(_as_stored(record), version_number(record.version)))

    async def _read_and_record(self, kind: ParentKind, name: str, namespace: str, uid: str) -> bool:
        """Record an object if it has finished; return whether it exists."""
        body = await self._persistently(lambda: self._cluster.get(RESOURCES[kind], name, namespace))
        if body is None or body["metadata"]["uid"] != uid:
            return False
        try:
            found = parse_object(kind, body)
        except ValidationError:
            return True  # an object of an older schema: a user must delete it
        if found.status.finished_at is not None:
            self._writer.add(finished_record(found, version_number(found.metadata.resource_version)))
        return True


def _as_stored(record: OwnedRecord) -> OwnedObject:
    """Return the object with the status that the API server has."""
    return record.api_object.model_copy(update={"status": record.stored})


def _deleted_record(record: OwnedRecord, now: datetime) -> Record:
    return deleted_record(_as_stored(record), version_number(record.version), now)
