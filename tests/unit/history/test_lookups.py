"""Lookups that come together share a query, and each gets its own answer."""

import asyncio

import pytest

from support.histories import Database, record
from taskaction.history.errors import HistoryUnavailableError
from taskaction.history.lookups import MAX_UIDS, VersionLookup
from taskaction.testing.clock import FakeClock, settle


class Desk:
    def __init__(self) -> None:
        self.database, self.clock = Database(), FakeClock()
        self.database.records = {"uid-of-one": record("one", 7)}
        self.lookup = VersionLookup(self.database, self.clock)

    def ask(self, *uids: str) -> list[asyncio.Task]:
        return [asyncio.create_task(self.lookup.find_version(uid)) for uid in uids]


async def test_lookups_of_a_moment_share_one_query() -> None:
    desk = Desk()
    asked = desk.ask("uid-of-one", "uid-of-two", "uid-of-one")
    await settle()
    await desk.clock.advance(1)
    assert await asyncio.gather(*asked) == [7, None, 7]
    assert desk.database.queries == [3]

    later = desk.ask("uid-of-one")
    await settle()
    await desk.clock.advance(1)
    assert await asyncio.gather(*later) == [7]
    assert desk.database.queries == [3, 1]


async def test_a_query_is_bounded() -> None:
    desk = Desk()
    asked = desk.ask(*(f"uid-{number}" for number in range(MAX_UIDS + 1)))
    await settle()
    await desk.clock.advance(1)
    assert set(await asyncio.gather(*asked)) == {None}
    assert desk.database.queries == [MAX_UIDS, 1]


async def test_all_learn_that_the_database_is_away() -> None:
    desk = Desk()
    desk.database.away = True
    asked = desk.ask("uid-of-one", "uid-of-two")
    await settle()
    await desk.clock.advance(1)
    for one in asked:
        with pytest.raises(HistoryUnavailableError):
            await one


async def test_one_that_gives_up_does_not_leave_the_others_waiting() -> None:
    desk = Desk()
    first, second = desk.ask("uid-of-one", "uid-of-two")
    await settle()
    first.cancel()
    await settle()
    await desk.clock.advance(1)
    with pytest.raises(asyncio.CancelledError):
        await second
    third = desk.ask("uid-of-one")
    await settle()
    await desk.clock.advance(1)
    assert await third[0] == 7
