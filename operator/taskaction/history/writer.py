"""Writer of the history: collects records, and writes them in batches; no action waits for it.

The queue is bounded. A finished object that finds no room still exists, and is found again by the next scan. That of a
deleted object exists nowhere else, so it may use all of the queue; what finds no room then is counted as missed.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Protocol

from taskaction.core.clock import Clock
from taskaction.history.availability import Availability
from taskaction.history.errors import HistoryRefusedError, HistoryUnavailableError
from taskaction.history.records import Record

MAX_BATCH = 200
MAX_QUEUED_BYTES = 32 * 1024 * 1024
"""Maximum size of the queue. Records of finished objects use at most half of it."""
_COLLECT_SECONDS = 0.2
_OVERHEAD_BYTES = 1024
"""Approximate memory of a record besides its texts."""


class RecordDatabase(Protocol):
    """Where records are stored."""

    async def write(self, records: Sequence[Record]) -> None:
        """Store all records or none; raise ``HistoryUnavailableError`` or ``HistoryRefusedError``."""

    async def find_versions(self, uids: Sequence[str]) -> Mapping[str, int]:
        """Return the version of each object that is recorded; raise ``HistoryUnavailableError``."""


class HistoryRecorder(Protocol):
    """Recorder of what happens to the history: metrics and logs."""

    def on_history_written(self, count: int) -> None:
        """Record that records were stored."""

    def on_history_failed(self, error: HistoryUnavailableError) -> None:
        """Record that the database did not answer a call."""

    def on_history_refused(self, record: Record, error: HistoryRefusedError) -> None:
        """Record that the database refuses a record for what is in it."""

    def on_history_missed(self, cause: str, namespace: str, name: str) -> None:
        """Record that an object is gone without a record; ``cause`` says why."""


class HistoryWriter:
    """Bounded queue of records, and the task that writes them."""

    def __init__(
        self, database: RecordDatabase, clock: Clock, availability: Availability, recorder: HistoryRecorder
    ) -> None:
        self._database = database
        self._clock = clock
        self._availability = availability
        self._recorder = recorder
        self._queue: dict[str, Record] = {}
        self._bytes = 0
        self._filled = asyncio.Event()
        self._tried = asyncio.Event()

    def __len__(self) -> int:
        """Return the number of records that wait."""
        return len(self._queue)

    def add(self, record: Record) -> None:
        """Queue the newest record of an object, if there is room."""
        room = MAX_QUEUED_BYTES if record.deleted_at is not None else MAX_QUEUED_BYTES // 2
        known = self._queue.get(record.uid)
        grown = self._bytes + _memory(record) - (_memory(known) if known is not None else 0)
        if grown <= room:
            self._queue[record.uid], self._bytes = record, grown
            self._filled.set()
        elif record.deleted_at is not None:
            self._recorder.on_history_missed("QueueFull", record.namespace, record.name)

    async def wait_for(self, uid: str) -> None:
        """Return when no record of an object is queued, or the database is away."""
        while uid in self._queue and not self._availability.is_away:
            await self._tried.wait()

    async def run(self) -> None:
        """Write what is queued, until cancelled."""
        while True:
            await self._filled.wait()
            await self._clock.sleep(_COLLECT_SECONDS if len(self._queue) < MAX_BATCH else 0)
            await self._clock.sleep(self._availability.pause)
            await self._write_batch()

    async def finish(self, seconds: float) -> None:
        """Write all that is queued within some seconds, unless the database does not answer; ``run`` has ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._queue and await self._write_batch():
                    pass

    async def _write_batch(self) -> bool:
        """Write the oldest records; return False if the database did not answer."""
        batch = list(islice(self._queue.values(), MAX_BATCH))
        try:
            await self._write(batch)
        except HistoryUnavailableError as error:
            self._availability.on_failed()
            self._recorder.on_history_failed(error)
            return False
        else:
            self._availability.on_answered()
            return True
        finally:
            tried, self._tried = self._tried, asyncio.Event()
            tried.set()

    async def _write(self, batch: Sequence[Record]) -> None:
        """Write records; those that the database refuses are found by halves, and the others are written."""
        if not batch:
            return
        try:
            await self._database.write(batch)
        except HistoryRefusedError as error:
            if len(batch) == 1:
                self._recorder.on_history_refused(batch[0], error)
                self._remove(batch)
                return
            middle = len(batch) // 2
            await self._write(batch[:middle])
            await self._write(batch[middle:])
        else:
            self._recorder.on_history_written(len(batch))
            self._remove(batch)

    def _remove(self, batch: Sequence[Record]) -> None:
        """Remove records from the queue, unless newer ones have replaced them."""
        for record in batch:
            if self._queue.get(record.uid) is record:
                del self._queue[record.uid]
                self._bytes -= _memory(record)
        if not self._queue:
            self._filled.clear()


def _memory(record: Record) -> int:
    return record.size + _OVERHEAD_BYTES
