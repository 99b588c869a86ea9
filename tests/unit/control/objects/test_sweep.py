"""Sweeping: what the table has and the API server has not is missing, and nothing else is."""

import asyncio

import pytest

from support.fake_cluster import FakeCluster
from support.records import NAMESPACE, body, recorded
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import TASK_ACTIONS
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.sweep import DeletionSweeper
from taskaction.control.objects.tables import ActionTable
from taskaction.testing.clock import FakeClock, settle


class House:
    """A table, the API server beside it, and what was found missing."""

    def __init__(self, *namespaces: str) -> None:
        self.cluster, self.clock, self.table = FakeCluster(), FakeClock(), ActionTable()
        self.on_missing: list[str] = []
        self.sweeper = DeletionSweeper(
            cluster=self.cluster,
            clock=self.clock,
            resource=TASK_ACTIONS,
            table=self.table,
            missing=self.found,
            namespaces=namespaces,
        )

    def found(self, record: ActionRecord) -> None:
        self.on_missing.append(record.name)

    def live(self, name: str, **changes) -> ActionRecord:
        record = recorded(self.cluster.store(TASK_ACTIONS, body(name, **changes)))
        self.table.add(record)
        return record


@pytest.fixture
def house() -> House:
    return House()


async def test_what_is_still_there_is_not_missing(house) -> None:
    house.live("one")

    assert await house.sweeper.sweep() == 0
    assert house.on_missing == []


async def test_what_vanished_unseen_is_missing(house) -> None:
    house.live("here")
    house.live("gone")
    house.cluster.drop(TASK_ACTIONS, "gone", NAMESPACE)

    assert await house.sweeper.sweep() == 1
    assert house.on_missing == ["gone"]


async def test_an_object_that_a_namesake_has_replaced_is_missing(house) -> None:
    house.live("one", uid="before")
    house.cluster.store(TASK_ACTIONS, body("one", uid="after"))
    await house.sweeper.sweep()

    assert house.on_missing == ["one"]


async def test_what_was_finished_by_somebody_else_is_looked_at_as_missing(house) -> None:
    record = house.live("one")
    house.cluster.store(TASK_ACTIONS, body("one", uid=record.uid, status={"phase": "Aborted"}))
    await house.sweeper.sweep()

    assert house.on_missing == ["one"]


async def test_what_comes_or_goes_during_the_list_is_not_missing(house) -> None:
    before = house.live("before")

    def meanwhile(verb: str, name: str) -> None:
        house.cluster.meanwhile = None
        house.table.add(recorded(body("younger than the list")))
        house.table.drop(before)
        house.cluster.drop(TASK_ACTIONS, "before", NAMESPACE)

    house.cluster.meanwhile = meanwhile

    assert await house.sweeper.sweep() == 0


async def test_a_list_that_fails_makes_nothing_missing_and_is_tried_again(house) -> None:
    house.live("one")
    house.cluster.drop(TASK_ACTIONS, "one", NAMESPACE)
    house.cluster.fail("list", UnavailableError("away"))
    failures: list[str] = []
    task = asyncio.create_task(house.sweeper.run(60, lambda name, _: failures.append(name)))
    await house.clock.advance(60)
    assert (failures, house.on_missing) == (["sweep"], [])

    await house.clock.advance(60)
    assert house.on_missing == ["one"]

    task.cancel()
    await settle()
    assert task.cancelled()


async def test_each_namespace_that_is_served_is_listed() -> None:
    narrow = House(NAMESPACE, "team-b")
    narrow.live("one")

    assert await narrow.sweeper.sweep() == 0
    assert narrow.cluster.count("list") == 2
