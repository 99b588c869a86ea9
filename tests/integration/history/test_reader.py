"""Queries over a real PostgreSQL and over SQLite: each answer is that of a plain loop over the rows of its scope."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from math import ceil

import pytest

from support.histories import postgres, record
from taskaction.history.addresses import parse_address
from taskaction.history.filters import ObjectFilter
from taskaction.history.pages import PagePosition
from taskaction.history.reader import MAX_TREE, HistoryReader
from taskaction.history.records import Record
from taskaction.history.schema import migrate_tables
from taskaction.history.scopes import ALL_KINDS, HistoryScope
from taskaction.history.statistics import HOUR
from taskaction.history.store import HistoryStore

EVERYWHERE = HistoryScope.everywhere()
NAMESPACES = ("team-a", "team-b", "team-c")
SECRET = "team-c"
"""Namespace that the scope of a tenant does not contain."""
TENANT = HistoryScope.within({"team-a": {"TaskAction", "ActionFlowRun"}, "team-b": {"ActionFlowRun"}})

MANY = HistoryScope.within({
    "team-a": ALL_KINDS, "team-b": {"TaskAction"}, "team-c": {"TaskAction"}, **{f"x-{n}": ALL_KINDS for n in range(9)}
})  # fmt: skip


def is_of_tenant(one: Record) -> bool:
    return one.namespace == "team-a" or (one.namespace, one.kind) == ("team-b", "ActionFlowRun")


SCOPES = {
    "everything": (EVERYWHERE, lambda one: True),
    "a tenant": (TENANT, lambda one: is_of_tenant(one)),
    "one kind": (HistoryScope.everywhere({"TaskAction"}), lambda one: one.kind == "TaskAction"),
    "many namespaces": (MANY, lambda one: one.namespace == "team-a" or one.kind == "TaskAction"),
    "nothing": (HistoryScope.within({}), lambda one: False),
}  # fmt: skip
LABELS = {"example.com/team": "x", "tier": "web"}
OF_CLUSTER = "ClusterActionProvider"
FILTERS: dict[str, tuple[ObjectFilter, Callable[[Record], bool]]] = {
    "none": (ObjectFilter(), lambda one: True),
    "kind": (ObjectFilter(kind="ActionFlowRun"), lambda one: one.kind == "ActionFlowRun"),
    "phases": (ObjectFilter(phases=("Failed", "Aborted")), lambda one: one.phase in {"Failed", "Aborted"}),
    "reason": (ObjectFilter(reason="Http500"), lambda one: one.reason == "Http500"),
    "provider": (ObjectFilter(provider="ci"), lambda one: one.provider == "ci"),
    "its kind": (ObjectFilter(provider_kind=OF_CLUSTER), lambda one: one.provider_kind == OF_CLUSTER),
    "executor": (ObjectFilter(executor="http"), lambda one: one.executor == "http"),
    "name": (ObjectFilter(name="n-7"), lambda one: one.name == "n-7"),
    "labels": (ObjectFilter(labels=LABELS), lambda one: one.labels == LABELS),
    "an injected label": (ObjectFilter(labels={"a' OR 1=1 --": "x"}), lambda one: False),
    "time": (ObjectFilter(since=3 * HOUR, until=5 * HOUR), lambda one: 3 * HOUR <= one.ended_at < 5 * HOUR),
    "duration": (ObjectFilter(min_duration=100, max_duration=500), lambda one: 100 <= (one.duration or 0) <= 500),
    "words": (ObjectFilter(message="PERCENT 50%"), lambda one: "percent 50%" in (one.message or "").lower()),
    "a wildcard": (ObjectFilter(message="50_"), lambda one: "50_" in (one.message or "")),
    "parent": (ObjectFilter(parent="u-3"), lambda one: one.owner_uid == "u-3"),
}  # fmt: skip


def make_records(count: int, seed: int = 1) -> list[Record]:
    """Return records that differ in all that is filtered by; every end is shared by some of them."""
    chance, found = random.Random(seed), []
    for number in range(count):
        started, kind = chance.choice([None, 1_000]), chance.choice(["TaskAction", "ActionFlowRun"])
        namespace = chance.choice(NAMESPACES)
        provider_kind = chance.choice([None, "ActionProvider", "ClusterActionProvider"])
        parent = chance.randrange(number) if number else None
        owner = f"u-{parent}" if parent is not None and found[parent].namespace == namespace else None
        found.append(replace(
            record(f"n-{number}"), uid=f"u-{number}", namespace=namespace, kind=kind,
            phase=chance.choice(["Succeeded", "Failed", "Aborted", "TimedOut"]),
            reason=chance.choice([None, "Http500", "Rejected"]), provider_kind=provider_kind,
            provider=chance.choice(["ci", "cd"]) if provider_kind else None,
            executor=None if provider_kind else chance.choice(["http", "noop"]),
            message=chance.choice([None, "at Percent 50% of it", "501", f"{'x' * 2000}"]),
            labels=chance.choice([{}, {"tier": "web"}, {"example.com/team": "x", "tier": "web"}]),
            created_at=500, started_at=started, ended_at=chance.randrange(60) * HOUR // 6,
            duration=chance.randrange(1_000) if started else None,
            owner_kind=kind if owner else None, owner_name=owner, owner_uid=owner,
        ))  # fmt: skip
    return found


@pytest.fixture(scope="module")
def postgres_address(tmp_path_factory):
    with postgres(tmp_path_factory.mktemp("postgres")) as address:
        yield address


@pytest.fixture(scope="module")
def sqlite_address(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'history.db'}"


@pytest.fixture(scope="module", params=["postgres_address", "sqlite_address"])
def filled(request) -> tuple[str, list[Record]]:
    """Return a database with records, and the records."""
    address, records = request.getfixturevalue(request.param), make_records(400)

    async def fill() -> None:
        url = parse_address(address, None)
        await migrate_tables(url)
        store = HistoryStore.open(url)
        await store.write(records)
        await store.close()

    asyncio.run(fill())
    return address, records


@pytest.fixture
async def reader(filled) -> AsyncIterator[HistoryReader]:
    opened = HistoryReader.open(parse_address(filled[0], None), connections=2, seconds=30)
    yield opened
    await opened.close()


@pytest.fixture
def records(filled) -> list[Record]:
    return filled[1]


def newest_first(records: Iterable[Record]) -> list[str]:
    return [one.uid for one in sorted(records, key=lambda one: (one.ended_at, one.uid), reverse=True)]


async def read_all(reader: HistoryReader, scope: HistoryScope, wanted: ObjectFilter, limit: int) -> list[str]:
    """Return the uids of all pages."""
    found: list[str] = []
    after = None
    while True:
        page = await reader.list(scope, wanted, after, limit)
        found += [row["uid"] for row in page.rows]
        if page.after is None:
            return found
        assert len(page.rows) == limit
        after = PagePosition.parse(page.after.to_token())


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("wanted", FILTERS)
async def test_pages_have_what_the_filter_and_the_scope_allow_in_order(reader, records, scope, wanted) -> None:
    (restriction, is_visible), (found, matches) = SCOPES[scope], FILTERS[wanted]
    expected = newest_first(one for one in records if is_visible(one) and matches(one))
    assert await read_all(reader, restriction, found, 23) == expected
    assert await reader.count(restriction, found) == len(expected)


async def test_rows_have_no_object_and_a_short_message(reader) -> None:
    page = await reader.list(EVERYWHERE, ObjectFilter(), None, 400)
    assert all("body" not in row for row in page.rows)
    assert max(len(row["message"] or "") for row in page.rows) == 1024


async def test_pages_stay_in_place_while_rows_are_added(filled, reader) -> None:
    address, records = filled
    known = newest_first(one for one in records if one.namespace == "team-a")
    first = await reader.list(
        HistoryScope.within({"team-a": {"TaskAction", "ActionFlowRun"}}), ObjectFilter(), None, 10
    )
    newer = replace(records[0], uid="newer", namespace="team-a", ended_at=100 * HOUR)
    store = HistoryStore.open(parse_address(address, None))
    await store.write([newer])
    try:
        again = await reader.list(
            HistoryScope.within({"team-a": {"TaskAction", "ActionFlowRun"}}), ObjectFilter(), first.after, 10
        )
        assert [row["uid"] for row in again.rows] == known[10:20]
    finally:
        assert await reader.delete(EVERYWHERE, ObjectFilter(name=newer.name, since=99 * HOUR), 10) == 1
        await store.close()


def below(records: list[Record], root: str) -> set[str]:
    found = {root}
    for one in records:  # a parent comes before its children
        if one.owner_uid in found:
            found.add(one.uid)
    return found


async def test_a_root_and_a_tree_have_all_descendants(reader, records) -> None:
    by_uid = {one.uid: one for one in records}
    sizes = set()
    for uid in [f"u-{number}" for number in range(0, 400, 37)]:
        listed = await read_all(reader, EVERYWHERE, ObjectFilter(root=uid), 50)
        assert set(listed) == below(records, uid)
        top = uid
        while (owner := by_uid[top].owner_uid) is not None:
            top = owner
        tree = await reader.read_tree(EVERYWHERE, uid)
        assert tree is not None
        places = {row["uid"]: place for place, row in enumerate(tree.rows)}
        assert (tree.root, set(places), tree.is_truncated) == (top, below(records, top), False)
        assert all(places[by_uid[one].owner_uid] < places[one] for one in places if one != top)
        sizes.add(len(places))
    assert max(sizes) > 5
    assert await reader.read_tree(EVERYWHERE, "none") is None


async def test_what_is_out_of_scope_does_not_exist(reader, records) -> None:
    hidden = next(one for one in records if one.namespace == SECRET)
    assert await reader.read(TENANT, hidden.uid) is None
    assert await reader.read_tree(TENANT, hidden.uid) is None
    assert await reader.count(TENANT, ObjectFilter(root=hidden.uid)) == 0
    assert await reader.delete(TENANT, ObjectFilter(name=hidden.name), 10) == 0
    found = await reader.read(EVERYWHERE, hidden.uid)
    assert found is not None
    assert found["body"] == hidden.body


def percentile(values: list[int], point: int) -> int | None:
    return sorted(values)[ceil(len(values) * point / 100) - 1] if values else None


@pytest.mark.parametrize("scope", SCOPES)
async def test_statistics_are_those_of_a_plain_loop_over_the_rows_of_the_scope(reader, records, scope) -> None:
    restriction, is_visible = SCOPES[scope]
    visible = [one for one in records if is_visible(one) and one.provider == "ci" and one.ended_at < 8 * HOUR]
    found = await reader.statistics(restriction, ObjectFilter(provider="ci", since=0, until=8 * HOUR))
    assert {row["phase"]: row["count"] for row in found.phases} == Counter(one.phase for one in visible)
    failed = [one for one in visible if one.phase != "Succeeded"]
    assert {row["reason"]: row["count"] for row in found.reasons} == Counter(one.reason for one in failed if one.reason)
    durations = [one.duration for one in visible if one.duration is not None]
    assert found.duration == {f"p{point}": percentile(durations, point) for point in (50, 90, 95, 99)}
    assert found.wait["p99"] == (500 if durations else None)
    hours: dict[int, list[Record]] = {}
    for one in visible:
        hours.setdefault(one.ended_at // HOUR * HOUR, []).append(one)
    assert {row["hour"]: row["count"] for row in found.hours} == {hour: len(ones) for hour, ones in hours.items()}
    for row in found.hours:
        of_hour = [one.duration for one in hours[row["hour"]] if one.duration is not None]
        assert row["duration"].get("p95") == percentile(of_hour, 95)
        assert row["failed"] == sum(one.phase != "Succeeded" for one in hours[row["hour"]])


async def test_what_executed_actions_is_counted_for_each_provider(reader, records) -> None:
    def group(one: Record) -> tuple[str | None, ...]:
        return one.provider_kind, one.provider, one.executor

    found = await reader.providers(TENANT, ObjectFilter(since=0, until=100 * HOUR))
    counts = Counter(group(one) for one in records if SCOPES["a tenant"][1](one))
    assert {(row["provider_kind"], row["provider"], row["executor"]): row["count"] for row in found} == counts
    assert [row["count"] for row in found] == sorted(counts.values(), reverse=True)


async def test_deleting_is_bounded_and_leaves_what_does_not_match(filled, reader) -> None:
    address, records = filled
    extra = [replace(records[0], uid=f"extra-{number}", namespace="extra") for number in range(1_200)]
    store = HistoryStore.open(parse_address(address, None))
    await store.write(extra)
    await store.close()
    scope = HistoryScope.within({"extra": {"TaskAction", "ActionFlowRun"}})
    assert await reader.delete(scope, ObjectFilter(), 700) == 700
    assert await reader.count(scope, ObjectFilter()) == 500
    assert await reader.delete(scope, ObjectFilter(), 10_000) == 500
    assert await reader.count(EVERYWHERE, ObjectFilter()) == len(records)


async def test_a_tree_is_truncated_from_its_end_and_a_cycle_ends(filled, reader) -> None:
    address, records = filled
    root = replace(records[0], uid="top", namespace="wide", owner_uid="top")
    leaves = [
        replace(root, uid=f"leaf-{number}", created_at=number, owner_uid="top") for number in range(MAX_TREE + 10)
    ]
    store = HistoryStore.open(parse_address(address, None))
    scope = HistoryScope.within({"wide": {"TaskAction", "ActionFlowRun"}})
    try:
        await store.write([replace(root, owner_uid=None), *leaves])
        tree = await reader.read_tree(scope, "leaf-5")
        assert tree is not None
        assert (tree.root, tree.is_truncated, len(tree.rows)) == ("top", True, MAX_TREE)
        assert [row["uid"] for row in tree.rows[:3]] == ["top", "leaf-0", "leaf-1"]
        await store.write(
            [replace(root, uid="loop-a", owner_uid="loop-b"), replace(root, uid="loop-b", owner_uid="loop-a")]
        )
        assert await reader.read_tree(scope, "loop-a") is not None
        assert await reader.count(scope, ObjectFilter(root="loop-a")) == 2
    finally:
        await reader.delete(scope, ObjectFilter(), 10_000)
        await store.close()


@pytest.mark.parametrize("token", ["", "x", "bm8=", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTphYg==", "é", "a" * 200])
def test_a_token_that_is_none_is_refused(token) -> None:
    with pytest.raises(ValueError, match="nextPageToken"):
        PagePosition.parse(token)
