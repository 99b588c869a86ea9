"""Store of records in PostgreSQL or SQLite, by SQLAlchemy's core; each call is one round trip.

A record replaces that of the same uid only if it is newer, so writing one twice, or an old one late, changes nothing.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any, Self

import asyncpg
from sqlalchemy import Row, and_, event, exc, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from taskaction.history.errors import HistoryRefusedError, HistoryUnavailableError
from taskaction.history.records import Record
from taskaction.history.tables import OBJECTS

_COLUMNS = tuple(one.name for one in fields(Record))
_CONNECTIONS = 2
_CONNECT_SECONDS, _CALL_SECONDS = 10.0, 30.0
_INVALID_VALUES = ("22", "23")
"""Classes of SQLSTATE that say that a value, not the database, is the reason."""
_NO_TABLE = "run `taskaction history migrate`"


class HistoryStore:
    """Records in one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._upsert = _build_upsert(engine.dialect.name)

    @classmethod
    def open(cls, url: URL) -> Self:
        """Return the store of a database; the first call connects."""
        return cls(open_engine(url))

    async def write(self, records: Sequence[Record]) -> None:
        """Store all records or none.

        Raises:
            HistoryUnavailableError: the database does not answer, or has no tables.
            HistoryRefusedError: the database refuses at least one of the records.
        """
        rows = [{name: getattr(record, name) for name in _COLUMNS} for record in records]
        async with self._connect() as connection:
            await connection.execute(self._upsert, rows)

    async def find_versions(self, uids: Sequence[str]) -> Mapping[str, int]:
        """Return the recorded version of each object that is in the history; raise ``HistoryUnavailableError``."""
        query = select(OBJECTS.c.uid, OBJECTS.c.version).where(OBJECTS.c.uid.in_(uids))
        async with self._connect() as connection:
            return {row.uid: row.version for row in await connection.execute(query)}

    async def read(self, uid: str) -> Record | None:
        """Return the record of an object, or None; raise ``HistoryUnavailableError``."""
        async with self._connect() as connection:
            found = (await connection.execute(select(OBJECTS).where(OBJECTS.c.uid == uid))).first()
        return _to_record(found) if found is not None else None

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AsyncConnection]:
        async with translated_errors(), self._engine.begin() as connection:
            yield connection


@asynccontextmanager
async def translated_errors() -> AsyncIterator[None]:
    """Raise the errors of database and driver as those of the history, without values of records."""
    try:
        yield
    except (exc.SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        if _is_refusal(error):
            raise HistoryRefusedError(_describe(error)) from error
        raise HistoryUnavailableError(_describe(error)) from error


def open_engine(
    url: URL,
    *,
    connections: int = _CONNECTIONS,
    seconds: float = _CALL_SECONDS,
    settings: Mapping[str, str] | None = None,
) -> AsyncEngine:
    """Return an engine that connects when it is first used.

    A call fails after some seconds; ``settings`` are those of each session of PostgreSQL.
    """
    if url.get_backend_name() == "sqlite":
        engine = create_async_engine(url, connect_args={"timeout": seconds})
        event.listen(engine.sync_engine, "connect", _tune_sqlite)
        return engine
    return create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        isolation_level="AUTOCOMMIT",  # each call is one statement; asyncpg sends a batch as one that is atomic
        connect_args={"timeout": _CONNECT_SECONDS, "command_timeout": seconds, "server_settings": dict(settings or {})},
    )


def _build_upsert(dialect: str) -> Any:
    """Return the statement that stores a record unless a newer one is there.

    The end of an object wins over its deletion before the end, which another replica may have reported late. After
    that the later end wins, since a restored cluster counts versions from an earlier one on, and then the version.
    """
    insert: Any = postgresql.insert(OBJECTS) if dialect == "postgresql" else sqlite.insert(OBJECTS)
    new, old = insert.excluded, OBJECTS.c
    later = or_(new.ended_at > old.ended_at, and_(new.ended_at == old.ended_at, new.version > old.version))
    ends_deletion = and_(new.deleted_at.is_(None), old.deleted_at.is_not(None))
    same_kind_of_end = new.deleted_at.is_(None) == old.deleted_at.is_(None)
    return insert.on_conflict_do_update(
        index_elements=[old.uid],
        set_={name: getattr(new, name) for name in _COLUMNS if name != "uid"},
        where=or_(ends_deletion, and_(same_kind_of_end, later)),
    )


def _to_record(row: Row[Any]) -> Record:
    return Record(**{name: getattr(row, name) for name in _COLUMNS})


def _tune_sqlite(connection: Any, _: object) -> None:
    """Let readers and the writer work at the same time; what a crash of the process leaves is whole."""
    cursor = connection.cursor()
    for name, value in (("journal_mode", "WAL"), ("synchronous", "NORMAL")):
        cursor.execute(f"PRAGMA {name}={value}")
    cursor.close()


def _is_refusal(error: BaseException) -> bool:
    """Whether the values of a call are the reason of its error."""
    causes = tuple(_causes(error))
    states = (getattr(one, "sqlstate", None) or "" for one in causes)
    by_driver = (exc.DataError, exc.IntegrityError, asyncpg.DataError)
    return any(isinstance(one, by_driver) for one in causes) or any(one.startswith(_INVALID_VALUES) for one in states)


def _causes(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = getattr(error, "orig", None) or error.__cause__


def _describe(error: BaseException) -> str:
    """Return a message without the statement and its values."""
    origin = getattr(error, "orig", None) or error
    text = str(origin).partition("\n")[0] or type(origin).__name__
    has_no_table = "no such table" in text or getattr(origin, "sqlstate", None) == "42P01"
    return f"{text}: {_NO_TABLE}" if has_no_table else text
