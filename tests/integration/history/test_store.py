"""The store over a real PostgreSQL and over SQLite: each record once, whatever is repeated, late or hostile."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from support.histories import postgres, record
from taskaction.history.addresses import parse_address
from taskaction.history.errors import HistoryRefusedError, HistoryUnavailableError
from taskaction.history.schema import migrate_tables
from taskaction.history.store import HistoryStore


@pytest.fixture(scope="module")
def postgres_address(tmp_path_factory):
    with postgres(tmp_path_factory.mktemp("postgres")) as address:
        asyncio.run(migrate_tables(parse_address(address, None)))
        yield address


@pytest.fixture(scope="module")
def sqlite_address(tmp_path_factory):
    address = f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'history.db'}"
    asyncio.run(migrate_tables(parse_address(address, None)))
    return address


@pytest.fixture(params=["postgres_address", "sqlite_address"])
def address(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
async def store(address):
    opened = HistoryStore.open(parse_address(address, None))
    yield opened
    await opened.close()


async def test_records_are_read_as_they_were_written(store) -> None:
    one, two = record("first", status={"message": "ümläut 😀", "output": {"a": [None, 1.5, "\x00"]}}), record("second")
    one = replace(one, labels={"team": "a"})
    await store.write([one, two])
    assert await store.read(one.uid) == one
    assert await store.find_versions([one.uid, two.uid, "none"]) == {one.uid: 1, two.uid: 1}
    assert await store.read("none") is None


END = 1_000_000
OLD = {"version": 5, "ended_at": END, "deleted_at": None}


@pytest.mark.parametrize(
    ("known", "new", "wins"),
    [
        ({}, {}, False),
        ({}, {"version": 6}, True),
        ({}, {"version": 4}, False),
        ({}, {"version": 4, "ended_at": END + 1}, True),
        ({}, {"version": 9, "ended_at": END - 1}, False),
        ({}, {"version": 9, "ended_at": END + 1, "deleted_at": END + 1}, False),
        ({"deleted_at": END}, {"version": 4, "ended_at": END - 1, "deleted_at": None}, True),
        ({"deleted_at": END}, {"version": 6, "deleted_at": END}, True),
        ({"deleted_at": END}, {"version": 5, "deleted_at": END}, False),
    ],
)
async def test_only_a_newer_record_replaces_another(store, known, new, wins) -> None:
    old = replace(record("contested"), uid=f"{known}{new}"[:60], message="old", **(OLD | known))
    await store.write([old])
    await store.write([replace(old, message="new", **new)])
    found = await store.read(old.uid)
    assert found is not None
    assert found.message == ("new" if wins else "old")


async def test_a_batch_with_a_refused_record_changes_nothing(store) -> None:
    fine, hostile = record("fine-one"), replace(record("hostile-one"), phase=None)
    with pytest.raises(HistoryRefusedError) as refused:
        await store.write([fine, hostile])
    assert fine.body not in str(refused.value)
    assert await store.find_versions([fine.uid]) == {}


async def test_two_writers_of_the_same_objects_leave_one_record_of_each(store) -> None:
    records = [record(f"shared-{number}") for number in range(100)]
    await asyncio.gather(store.write(records), store.write(records[::-1]), return_exceptions=True)
    await store.write(records)
    found = await store.find_versions([one.uid for one in records])
    assert len(found) == 100


async def test_a_database_without_tables_is_reported_with_the_remedy(tmp_path) -> None:
    store = HistoryStore.open(parse_address(f"sqlite:///{tmp_path / 'empty.db'}", None))
    with pytest.raises(HistoryUnavailableError, match="run `taskaction history migrate`"):
        await store.write([record()])
    await store.close()


async def test_a_server_that_does_not_answer_is_reported() -> None:
    store = HistoryStore.open(parse_address("postgresql://user@127.0.0.1:1/none", "secret-word"))
    with pytest.raises(HistoryUnavailableError) as error:
        await store.find_versions(["one"])
    assert "secret-word" not in str(error.value)
    await store.close()


async def test_migrations_are_repeatable_and_may_run_at_the_same_time(postgres_address) -> None:
    url = parse_address(postgres_address, None)
    await asyncio.gather(migrate_tables(url), migrate_tables(url))


async def test_postgresql_searches_labels_and_words_by_indexes(postgres_address) -> None:
    connection = await asyncpg.connect(postgres_address)
    try:
        names = {row["indexname"] for row in await connection.fetch("SELECT indexname FROM pg_indexes")}
        extensions = {row["name"] for row in await connection.fetch("SELECT name FROM pg_available_extensions")}
    finally:
        await connection.close()
    assert "taskaction_history_labels" in names
    assert ("taskaction_history_message" in names) == ("pg_trgm" in extensions)


async def test_records_are_written_while_the_tables_are_migrated(tmp_path_factory) -> None:
    with postgres(tmp_path_factory.mktemp("migrated")) as address:
        url = parse_address(address, None)
        await migrate_tables(url, "r0001")  # as the release before has left them
        store, written, is_over = HistoryStore.open(url), [], asyncio.Event()

        async def write() -> None:
            while not is_over.is_set():
                batch = [record(f"during-{len(written)}-{number}") for number in range(20)]
                await store.write(batch)
                written.extend(batch)

        try:
            writer = asyncio.create_task(write())
            await migrate_tables(url)
            is_over.set()
            await writer
            await store.write([record("afterwards")])  # the release before works with the new tables
            assert len(await store.find_versions([one.uid for one in written])) == len(written) > 0
        finally:
            await store.close()
