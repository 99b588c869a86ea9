"""Retention over a real PostgreSQL and over SQLite: what no rule keeps is deleted, and nothing else."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from support.histories import migrated, postgres, record
from taskaction.history.addresses import parse_address
from taskaction.history.filters import ObjectFilter
from taskaction.history.reader import HistoryReader
from taskaction.history.records import Record, to_milliseconds
from taskaction.history.retention import BATCH, HistoryRetention, RetentionRules, parse_place
from taskaction.history.scopes import HistoryScope
from taskaction.history.store import HistoryStore
from taskaction.testing.clock import START, FakeClock

HOUR = timedelta(hours=1)
NOW = to_milliseconds(START)
EVERYTHING = HistoryScope.everywhere()


@pytest.fixture(scope="module")
def postgres_address(tmp_path_factory):
    with postgres(tmp_path_factory.mktemp("postgres")) as address:
        yield migrated(address)


@pytest.fixture(scope="module")
def sqlite_address(tmp_path_factory):
    return migrated(f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'history.db'}")


@pytest.fixture(params=["postgres_address", "sqlite_address"])
def address(request):
    return request.getfixturevalue(request.param)


class Sleepless(FakeClock):
    """Clock at which a pause takes no time."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def past(namespace: str, provider: str | None, hours: int, number: int = 0) -> Record:
    """Return a record that ended some hours ago."""
    uid, ended_at = f"{namespace}.{provider}.{hours}.{number}", NOW - hours * 3_600_000
    return replace(record(), uid=uid, namespace=namespace, provider=provider, ended_at=ended_at)


async def remaining(address: str, records: list[Record], rules: RetentionRules) -> tuple[set[str], Counter[str]]:
    """Return the uids that the rules leave of some records, and how many were deleted by cause."""
    store, url = HistoryStore.open(parse_address(address, None)), parse_address(address, None)
    reader = HistoryReader.open(url, connections=1, seconds=30)
    retention = HistoryRetention.open(url, rules, Sleepless())
    try:
        await store.write(records)
        deleted = Counter(await retention.apply())
        assert not any((await retention.apply()).values())  # once is enough
        return set(await store.find_versions([one.uid for one in records])), +deleted
    finally:
        await reader.delete(EVERYTHING, ObjectFilter(), 100_000)
        await asyncio.gather(store.close(), reader.close(), retention.close())


def uids(*places: tuple[str, str | None, int]) -> set[str]:
    return {past(*place).uid for place in places}


async def test_the_most_specific_age_holds(address) -> None:
    records = [
        past(namespace, provider, hours)
        for namespace in ("a", "b") for provider in (None, "ci", "cd") for hours in (3, 30, 300)
    ]  # fmt: skip
    rules = RetentionRules(
        age=100 * HOUR,
        ages={parse_place("a"): 20 * HOUR, parse_place("*/ci"): 1000 * HOUR, parse_place("b/ci"): 10 * HOUR},
        at_least=HOUR,
    )
    left, deleted = await remaining(address, records, rules)
    assert left == uids(
        ("a", None, 3), ("a", "cd", 3),
        ("a", "ci", 3), ("a", "ci", 30), ("a", "ci", 300),
        ("b", None, 3), ("b", None, 30), ("b", "cd", 3), ("b", "cd", 30),
        ("b", "ci", 3),
    )  # fmt: skip
    assert deleted == {"Age": 8}


async def test_an_age_of_one_place_leaves_all_others_alone(address) -> None:
    records = [past(namespace, provider, 300) for namespace in ("a", "b") for provider in (None, "ci")]
    left, _ = await remaining(address, records, RetentionRules(ages={parse_place("a"): HOUR}, at_least=HOUR))
    assert left == uids(("b", None, 300), ("b", "ci", 300))


async def test_the_newest_of_each_group_stay(address) -> None:
    records = [
        past(namespace, provider, hours)
        for namespace in ("a", "b", "c") for provider in (None, "ci", "cd") for hours in range(10, 20)
    ]  # fmt: skip
    rules = RetentionRules(
        number=7, numbers={parse_place("*/ci"): 2, parse_place("b/ci"): 3, parse_place("c"): 1}, at_least=HOUR
    )
    left, deleted = await remaining(address, records, rules)
    found = Counter(tuple(uid.split(".")[:2]) for uid in left)
    assert {place: count for place, count in found.items() if place[1] == "ci"} == {
        ("a", "ci"): 2, ("b", "ci"): 3, ("c", "ci"): 2,
    }  # fmt: skip
    others = Counter(place for place, provider in (uid.split(".")[:2] for uid in left) if provider != "ci")
    assert others == {"a": 7, "b": 7, "c": 1}
    assert uids(("a", "ci", 10), ("a", "ci", 11)) <= left
    assert deleted == {"Number": 90 - len(left)}


async def test_nothing_is_deleted_whose_object_may_still_exist(address) -> None:
    records = [past("a", "ci", hours) for hours in range(10)]
    rules = RetentionRules(age=HOUR, number=1, at_least=5 * HOUR)
    left, _ = await remaining(address, records, rules)
    assert left == uids(*(("a", "ci", hours) for hours in range(6)))


async def test_all_batches_are_deleted(address) -> None:
    records = [past("a", None, 10, number) for number in range(2 * BATCH)]
    left, deleted = await remaining(address, records, RetentionRules(age=HOUR, at_least=HOUR))
    assert (left, deleted) == (set(), {"Age": 2 * BATCH})


async def test_only_one_process_deletes(postgres_address) -> None:
    url, rules = parse_address(postgres_address, None), RetentionRules(age=HOUR, at_least=HOUR)
    entered, leave = asyncio.Event(), asyncio.Event()

    class Held(FakeClock):
        async def sleep(self, seconds: float) -> None:
            entered.set()
            await leave.wait()

    store = HistoryStore.open(url)
    first, second = HistoryRetention.open(url, rules, Held()), HistoryRetention.open(url, rules, Sleepless())
    try:
        await store.write([past("a", None, 10)])
        task = asyncio.create_task(first.apply())
        await entered.wait()
        await store.write([past("b", None, 10)])
        assert await second.apply() == {"Age": 0, "Number": 0}
        leave.set()
        assert await task == {"Age": 1, "Number": 0}
        assert await second.apply() == {"Age": 1, "Number": 0}
    finally:
        await asyncio.gather(store.close(), first.close(), second.close())


@pytest.mark.parametrize("text", ["", "/", "a/", "/ci", "*", "*/", "a/b/c", "a b", "*/*"])
def test_a_place_that_is_none_is_refused(text) -> None:
    with pytest.raises(ValueError, match="use a namespace, namespace/provider or"):
        parse_place(text)
