"""Records are written in batches, none is lost or doubled, and a database that is away delays nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from support.histories import Database, action, record
from taskaction.history import writer as module
from taskaction.history.availability import Availability
from taskaction.history.errors import HistoryRefusedError, HistoryUnavailableError
from taskaction.history.records import Record, deleted_record
from taskaction.history.writer import MAX_BATCH, HistoryWriter
from taskaction.testing.clock import START, FakeClock, settle


class Recorder:
    def __init__(self) -> None:
        self.written = 0
        self.away: list[str] = []
        self.refused: list[str] = []
        self.missed: list[tuple[str, str, str]] = []

    def on_history_written(self, count: int) -> None:
        self.written += count

    def on_history_failed(self, error: HistoryUnavailableError) -> None:
        self.away.append(str(error))

    def on_history_refused(self, record: Record, error: HistoryRefusedError) -> None:
        self.refused.append(record.uid)

    def on_history_missed(self, cause: str, namespace: str, name: str) -> None:
        self.missed.append((cause, namespace, name))


class Desk:
    """A writer over a database that a test controls."""

    def __init__(self) -> None:
        self.database, self.clock, self.recorder = Database(), FakeClock(), Recorder()
        self.availability = Availability(self.clock, lambda: 0.0)
        self.writer = HistoryWriter(self.database, self.clock, self.availability, self.recorder)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.writer.run())
        try:
            await settle()
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    def uids(self) -> set[str]:
        return set(self.database.records)


def deleted(name: str) -> Record:
    return deleted_record(
        action(name, status={"phase": "Running", "finishedAt": None}), 1, START + timedelta(seconds=1)
    )


async def test_what_arrives_within_a_moment_is_one_batch() -> None:
    desk = Desk()
    async with desk.running():
        for number in range(30):
            desk.writer.add(record(f"a{number}"))
        await desk.clock.advance(1)
    assert (desk.database.batches, len(desk.writer), desk.recorder.written) == ([30], 0, 30)


async def test_many_records_are_written_in_several_batches() -> None:
    desk = Desk()
    async with desk.running():
        for number in range(MAX_BATCH * 2 + 1):
            desk.writer.add(record(f"a{number}"))
        await desk.clock.advance(1)
    assert desk.database.batches == [MAX_BATCH, MAX_BATCH, 1]


async def test_an_object_is_queued_once_and_the_newest_record_of_it_is_written() -> None:
    desk = Desk()
    desk.writer.add(record("one", 1))
    desk.writer.add(record("one", 2))
    await desk.writer.finish(5)
    assert (desk.database.batches, desk.database.records["uid-of-one"].version) == ([1], 2)


async def test_a_record_that_changes_during_its_write_is_written_again() -> None:
    desk = Desk()
    write = desk.database.write

    async def slow(records) -> None:
        if not desk.database.batches:
            desk.writer.add(record("one", 2))
        await write(records)

    desk.database.write = slow
    desk.writer.add(record("one", 1))
    await desk.writer.finish(5)
    assert (desk.database.batches, desk.database.records["uid-of-one"].version) == ([1, 1], 2)


async def test_a_database_that_is_away_is_tried_again_and_gets_everything() -> None:
    desk = Desk()
    desk.database.away = True
    async with desk.running():
        desk.writer.add(record("one"))
        await desk.clock.advance(60)
        assert desk.availability.away_seconds > 50
        assert 4 <= len(desk.recorder.away) <= 10
        desk.database.away = False
        desk.writer.add(record("two"))
        await desk.clock.advance(16)
    assert desk.uids() == {"uid-of-one", "uid-of-two"}
    assert desk.availability.away_seconds == 0


async def test_a_refused_record_does_not_keep_the_others_from_being_written() -> None:
    desk = Desk()
    desk.database.refused = {"uid-of-a3", "uid-of-a7"}
    for number in range(11):
        desk.writer.add(record(f"a{number}"))
    await desk.writer.finish(5)
    assert desk.uids() == {f"uid-of-a{number}" for number in range(11)} - desk.database.refused
    assert set(desk.recorder.refused) == desk.database.refused
    assert len(desk.writer) == 0


async def test_a_full_queue_leaves_finished_objects_to_the_next_scan(monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED_BYTES", 8 * 1024)
    desk = Desk()
    for number in range(20):
        desk.writer.add(record(f"a{number}"))
    finished = len(desk.writer)
    assert 0 < finished < 8
    for number in range(20):
        desk.writer.add(deleted(f"d{number}"))
    assert len(desk.writer) > finished
    assert {cause for cause, _, _ in desk.recorder.missed} == {"QueueFull"}
    assert len(desk.recorder.missed) == 20 - (len(desk.writer) - finished)


async def test_room_is_counted_back_when_records_are_written_or_replaced(monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED_BYTES", 8 * 1024)
    desk = Desk()
    for version in range(50):
        desk.writer.add(record("one", version))
        await desk.writer.finish(5)
        desk.writer.add(record("two", version))
        desk.writer.add(record("two", version + 1))
    await desk.writer.finish(5)
    assert desk.database.records["uid-of-two"].version == 50


async def test_whoever_waits_for_a_record_continues_when_it_is_written_or_the_database_is_away() -> None:
    desk = Desk()
    await desk.writer.wait_for("uid-of-none")
    desk.writer.add(record("one"))
    waiting = asyncio.create_task(desk.writer.wait_for("uid-of-one"))
    await settle()
    assert not waiting.done()
    async with desk.running():
        await desk.clock.advance(1)
        await waiting
        desk.database.away = True
        desk.writer.add(record("two"))
        waiting = asyncio.create_task(desk.writer.wait_for("uid-of-two"))
        await desk.clock.advance(1)
        await waiting
    assert desk.uids() == {"uid-of-one"}
