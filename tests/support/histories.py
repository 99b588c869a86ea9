"""Databases for the history: a real PostgreSQL, SQLite in a file, and one that a test controls."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.postgres import running_postgres
from support.records import body
from taskaction.api.task_action import TaskAction
from taskaction.history.addresses import parse_address
from taskaction.history.errors import HistoryRefusedError, HistoryUnavailableError
from taskaction.history.records import Record, finished_record
from taskaction.history.schema import migrate_tables
from taskaction.testing.clock import START

END = START.isoformat()


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL with its data in a folder; yield its address."""
    with running_postgres(folder) as found:
        yield found.address


def migrated(address: str) -> str:
    """Create the tables in a database, and return its address."""
    asyncio.run(migrate_tables(parse_address(address, None)))
    return address


def action(name: str = "one", *, status: Mapping[str, Any] | None = None, **spec: Any) -> TaskAction:
    """Return a finished action; ``status`` adds to or replaces fields of its status."""
    end = {"phase": "Succeeded", "attempt": 1, "startedAt": END, "finishedAt": END}
    return TaskAction.from_body(body(name, status=end | dict(status or {}), **spec))


def record(name: str = "one", version: int = 1, **fields: Any) -> Record:
    """Return the record of a finished action."""
    return finished_record(action(name, **fields), version)


class Database:
    """Database in memory; it is away or refuses the records of ``refused`` uids when a test says so."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.batches: list[int] = []
        self.queries: list[int] = []
        self.refused: set[str] = set()
        self.away = False

    async def write(self, records: Sequence[Record]) -> None:
        self._check()
        if self.refused.intersection(one.uid for one in records):
            raise HistoryRefusedError("invalid value")
        self.batches.append(len(records))
        self.records |= {one.uid: one for one in records}

    async def find_versions(self, uids: Sequence[str]) -> Mapping[str, int]:
        self._check()
        self.queries.append(len(uids))
        return {uid: self.records[uid].version for uid in uids if uid in self.records}

    def _check(self) -> None:
        if self.away:
            raise HistoryUnavailableError("connection refused")
