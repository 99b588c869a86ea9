"""The history of an operator: what is recorded of an object, and when an expired one may be deleted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from support.fake_cluster import FakeCluster
from support.histories import END, Database
from support.records import body, recorded
from taskaction.api.enums import ParentKind
from taskaction.app.history_keeper import HistoryKeeper
from taskaction.app.observer import OperatorRecorder
from taskaction.app.operator_metrics import OperatorMetrics
from taskaction.cluster.gateway import TASK_ACTIONS
from taskaction.control.objects.background import Background
from taskaction.control.objects.history import ExpiredObject
from taskaction.control.objects.records import ActionRecord
from taskaction.testing.clock import FakeClock, settle

HOLD = timedelta(hours=1)
DONE = {"phase": "Succeeded", "attempt": 1, "startedAt": END, "finishedAt": END}


class Shards:
    """Shards of which this process owns those with an even number."""

    def owns(self, shard: int) -> bool:
        return shard % 2 == 0


class ClosableDatabase(Database):
    closed = False

    async def close(self) -> None:
        self.closed = True


class Desk:
    def __init__(self, hold: timedelta | None = HOLD) -> None:
        self.cluster, self.clock, self.database = FakeCluster(), FakeClock(), ClosableDatabase()
        self.metrics = OperatorMetrics()
        self.keeper = HistoryKeeper(
            database=self.database,
            cluster=self.cluster,
            clock=self.clock,
            jitter=lambda: 0.0,
            background=Background(lambda task, error: pytest.fail(f"{task}: {error!r}")),
            persistently=lambda call: call(),
            tenures=Shards(),
            recorder=OperatorRecorder(self.metrics, self.clock),
            hold=hold,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Desk"]:
        task = asyncio.create_task(self.keeper.run())
        try:
            await settle()
            yield self
        finally:
            task.cancel()
            await asyncio.wait({task})

    def store(self, name: str = "one", **spec: Any) -> ActionRecord:
        return recorded(self.cluster.store(TASK_ACTIONS, body(name, status=DONE, **spec)))

    async def ask(self, name: str = "one", *, expired_for: timedelta = timedelta(0)) -> bool:
        expired = ExpiredObject(
            ParentKind.TASK_ACTION, "team-a", name, f"uid-of-{name}", self.clock.now() - expired_for
        )
        asked = asyncio.create_task(self.keeper.may_delete(expired))
        await settle()
        await self.clock.advance(2)
        return await asked

    def missed(self, cause: str) -> float:
        return self.metrics.history_missed.labels(cause)._value.get()


async def test_a_finished_object_is_recorded_once_and_may_then_be_deleted() -> None:
    async with Desk().running() as desk:
        desk.keeper.on_finished(desk.store())
        assert await desk.ask()
    assert desk.database.batches == [1]


async def test_an_expired_object_waits_for_its_record_and_is_not_read_again() -> None:
    desk = Desk()
    desk.keeper.on_finished(desk.store())
    desk.cluster.objects.clear()
    asked = asyncio.create_task(desk.ask())
    await settle()
    assert not asked.done()
    async with desk.running():
        assert await asked


async def test_an_object_that_is_not_recorded_is_read_and_recorded_first() -> None:
    async with Desk().running() as desk:
        desk.store()
        assert await desk.ask()
    assert set(desk.database.records) == {"uid-of-one"}


async def test_an_object_that_expired_long_ago_is_recorded_before_it_is_deleted() -> None:
    async with Desk().running() as desk:
        desk.store()
        assert await desk.ask(expired_for=HOLD * 50)
    assert set(desk.database.records) == {"uid-of-one"}
    assert desk.missed("HoldExceeded") == 0


@pytest.mark.parametrize(("expired_for", "deleted"), [(timedelta(0), False), (HOLD * 2, True)])
async def test_an_object_whose_record_is_refused_is_held_like_without_a_database(expired_for, deleted) -> None:
    async with Desk().running() as desk:
        desk.store()
        desk.database.refused = {"uid-of-one"}
        assert await desk.ask(expired_for=expired_for) is deleted
    assert desk.missed("HoldExceeded") == deleted


async def test_an_object_that_is_not_whole_in_memory_is_read_before_it_is_recorded() -> None:
    async with Desk().running() as desk:
        record = desk.store(parameters={"large": "x" * 3_000})
        record.drop_parameters(None)
        desk.keeper.on_finished(record)
        await settle()
        await desk.clock.advance(1)
    assert "x" * 3_000 in desk.database.records["uid-of-one"].body


async def test_an_object_that_is_deleted_before_it_is_read_is_recorded_without_its_parameters() -> None:
    async with Desk().running() as desk:
        record = desk.store(parameters={"large": "x" * 3_000})
        record.drop_parameters(None)
        desk.cluster.objects.clear()
        desk.keeper.on_finished(record)
        await settle()
        await desk.clock.advance(1)
    assert desk.database.records["uid-of-one"].phase == "Succeeded"


async def test_only_the_owner_records_a_deletion() -> None:
    async with Desk().running() as desk:
        for name, shard in (("mine", 2), ("theirs", 3)):
            record = recorded(body(name, status={"phase": "Running", "startedAt": END}))
            record.shard = shard
            desk.keeper.on_deleted(record)
        await desk.clock.advance(1)
    assert set(desk.database.records) == {"uid-of-mine"}
    assert desk.database.records["uid-of-mine"].deleted_at is not None


async def test_a_comparison_records_what_is_missing_or_was_changed() -> None:
    async with Desk().running() as desk:
        records = [desk.store(name) for name in ("known", "changed", "missing")]
        for one in records[:2]:
            desk.keeper.on_finished(one)
        await desk.clock.advance(1)
        changed = recorded(desk.cluster.store(TASK_ACTIONS, body("changed", status=DONE, priority=7)))
        await desk.keeper.compare(ParentKind.TASK_ACTION, [records[0].action, changed.action, records[2].action])
        await desk.clock.advance(1)
    assert desk.database.batches == [2, 2]
    assert '"priority":7' in desk.database.records["uid-of-changed"].body


@pytest.mark.parametrize(
    ("hold", "expired_for", "deleted"),
    [
        (HOLD, timedelta(0), False),
        (HOLD, HOLD - timedelta(seconds=5), False),
        (HOLD, HOLD + timedelta(seconds=1), True),
        (timedelta(0), timedelta(seconds=1), True),
        (None, timedelta(days=900), False),
    ],
)
async def test_a_database_that_is_away_delays_a_deletion_for_a_while(hold, expired_for, deleted) -> None:
    desk = Desk(hold)
    desk.database.away = True
    desk.store()
    assert await desk.ask(expired_for=expired_for) is deleted
    assert desk.missed("HoldExceeded") == deleted


async def test_a_database_that_is_away_is_not_asked_for_each_object_and_is_found_again() -> None:
    desk = Desk()
    desk.database.away = True
    for number in range(20):
        desk.store(f"a{number}")
    assert not any([await desk.ask(f"a{number}") for number in range(20)])
    assert desk.metrics.history_failures._value.get() <= 8
    assert desk.keeper.away_seconds > 10
    desk.database.away = False
    await desk.clock.advance(60)
    async with desk.running():
        assert await desk.ask("a1")
    assert desk.keeper.away_seconds == 0


async def test_what_is_queued_is_written_when_the_operator_stops() -> None:
    desk = Desk()
    desk.keeper.on_finished(desk.store())
    await desk.keeper.close(5)
    assert desk.database.records
    assert desk.database.closed
    assert desk.keeper.waiting == 0
