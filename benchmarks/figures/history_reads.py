"""How long lists of the history take on the server's side: of all namespaces, and of some, in both databases."""

import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from benchmarks.figures.group import Group
from benchmarks.figures.history import temporary_postgres
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import Stage
from taskaction.history.addresses import parse_address
from taskaction.history.filters import ObjectFilter
from taskaction.history.pages import PagePosition
from taskaction.history.reader import HistoryReader
from taskaction.history.records import Record
from taskaction.history.schema import migrate_tables
from taskaction.history.scopes import ALL_KINDS, HistoryScope
from taskaction.services.history.documents import page_document

POSTGRES_ROWS, SQLITE_ROWS = 1_000_000, 100_000
PAGES, LIMIT, REPEATS = 100, 50, 40
POSTGRES = Figure("console_list_ms", "ms", Target(100))
SQLITE = Figure("console_list_sqlite_ms", "ms", Target(100))

START, STEP = 1_700_000_000_000, 1_000
SCOPES: Mapping[str, HistoryScope] = {
    "all namespaces": HistoryScope.everywhere(),
    "three namespaces": HistoryScope.within({f"team-{number}": ALL_KINDS for number in (1, 2, 3)}),
    "one namespace": HistoryScope.within({"team-1": ALL_KINDS}),
}
COLUMNS = tuple(one.name for one in fields(Record))
BODY = json.dumps(
    {"metadata": {"name": "x" * 40}, "spec": {"parameters": {"text": "p" * 400}}, "status": {"y": "z" * 400}}
)


def measure(stage: Stage) -> Iterator[Row]:
    """Load both databases, and read the first and the hundredth page of six lists."""
    with temporary_postgres() as postgres:
        yield POSTGRES.measured(asyncio.run(measure_postgres(stage, postgres.address)))
    with tempfile.TemporaryDirectory() as folder:
        yield SQLITE.measured(asyncio.run(measure_sqlite(stage, Path(folder) / "history.db")))


async def measure_postgres(stage: Stage, address: str) -> float:
    """Return the slowest p95 of a PostgreSQL whose rows are loaded by COPY."""
    await migrate_tables(parse_address(address, None))
    connection = await asyncpg.connect(address)
    begun = time.monotonic()
    rows = (tuple(row(number).values()) for number in range(POSTGRES_ROWS))
    await connection.copy_records_to_table("taskaction_history", records=rows, columns=COLUMNS, timeout=1800)
    await connection.execute("VACUUM ANALYZE taskaction_history", timeout=1800)
    await connection.close()
    stage.say(f"PostgreSQL: {POSTGRES_ROWS} rows in {time.monotonic() - begun:.0f} s")
    return await measure_lists(stage, address, POSTGRES_ROWS)


async def measure_sqlite(stage: Stage, file: Path) -> float:
    """Return the slowest p95 of a SQLite in a file."""
    address = f"sqlite:///{file}"
    await migrate_tables(parse_address(address, None))
    marks = ",".join("?" * len(COLUMNS))
    with sqlite3.connect(file) as connection:
        rows = (tuple(row(number).values()) for number in range(SQLITE_ROWS))
        connection.executemany(f"INSERT INTO taskaction_history ({','.join(COLUMNS)}) VALUES ({marks})", rows)  # noqa: S608
    connection.close()
    return await measure_lists(stage, address, SQLITE_ROWS)


async def measure_lists(stage: Stage, address: str, count: int) -> float:
    """Return the slowest p95 in milliseconds of all lists, of their first and their last page."""
    reader = HistoryReader.open(parse_address(address, None), connections=2, seconds=60)
    slowest = 0.0
    try:
        for place, scope in SCOPES.items():
            for name, wanted in filters(count).items():
                last = await walk(reader, scope, wanted)
                times = [await p95_ms(reader, scope, wanted, after) for after in (None, last)]
                stage.say(f"{place}, {name}: first page {times[0]:.1f} ms, last {times[1]:.1f} ms")
                slowest = max(slowest, *times)
    finally:
        await reader.close()
    return slowest


def filters(count: int) -> Mapping[str, ObjectFilter]:
    """Return what is searched for in so many rows: each matches hundreds of pages where the scope lets it."""
    newest = START + count * STEP
    return {
        "no filter": ObjectFilter(),
        "phase": ObjectFilter(phases=("Failed",)),
        "provider and time": ObjectFilter(provider="provider-7", since=newest - count * STEP // 2),
        "label": ObjectFilter(labels={"app.kubernetes.io/part-of": "shop-7"}),
        "parent": ObjectFilter(parent="00000003-5717-4562-b3fc-2c963f66afa6"),
        "words": ObjectFilter(message="connection refused"),
    }


async def walk(reader: HistoryReader, scope: HistoryScope, wanted: ObjectFilter) -> PagePosition | None:
    """Return where the hundredth page begins, or the last one if there are fewer."""
    after = None
    for _ in range(PAGES - 1):
        page = await reader.list(scope, wanted, after, LIMIT)
        if page.after is None:
            break
        after = page.after
    return after


async def p95_ms(reader: HistoryReader, scope: HistoryScope, wanted: ObjectFilter, after: PagePosition | None) -> float:
    """Return the 95th percentile of the milliseconds from the request to the text of the answer."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        orjson.dumps(page_document(await reader.list(scope, wanted, after, LIMIT)))
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.quantiles(times, n=20, method="inclusive")[-1]


def row(number: int) -> dict[str, Any]:
    """Return one of the rows, which are spread over 20 namespaces, 30 providers, 20 applications and 10 parents."""
    mixed = (number * 2_654_435_761 % 2**32) >> 8  # what a row has says nothing about its namespace
    failed = mixed % 10 == 0
    ended_at = START + number * STEP
    return {
        "uid": f"{number:08x}-5717-4562-b3fc-2c963f66afa6",
        "kind": "TaskAction",
        "namespace": f"team-{number % 20}",
        "name": f"action-{number}",
        "version": number,
        "phase": "Failed" if failed else "Succeeded",
        "reason": "Http500" if failed else "Completed",
        "message": f"attempt 3: connection refused by 10.0.0.{number % 250}" if failed else "the executor has finished",
        "executor": None,
        "provider_kind": "ActionProvider",
        "provider": f"provider-{mixed // 7 % 30}",
        "created_at": ended_at - 9_000,
        "started_at": ended_at - 8_000,
        "ended_at": ended_at,
        "deleted_at": None,
        "duration": 8_000,
        "attempts": 1,
        "owner_kind": "ActionFlowRun",
        "owner_name": f"run-{mixed // 11 % 10}",
        "owner_uid": f"{mixed // 11 % 10:08x}-5717-4562-b3fc-2c963f66afa6",
        "labels": json.dumps({"app.kubernetes.io/part-of": f"shop-{mixed // 13 % 20}", "run": f"run-{number // 50}"}),
        "body": BODY,
    }


GROUP = Group("history_reads", (POSTGRES, SQLITE), measure)
"""The group of these figures."""
