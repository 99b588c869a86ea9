"""Reader of the history: lists, objects, trees and statistics; each call is restricted to a scope."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from taskaction.history.filters import ObjectFilter
from taskaction.history.pages import PagePosition
from taskaction.history.queries import (
    count_query,
    delete_statement,
    object_query,
    page_query,
    root_query,
    tree_query,
)
from taskaction.history.scopes import HistoryScope
from taskaction.history.statistics import (
    ALL_POINTS,
    MAX_PROVIDERS,
    PROVIDER,
    TYPICAL_AND_SLOW,
    EndedRows,
)
from taskaction.history.store import open_engine, translated_errors

MAX_TREE = 2_000
"""Maximum number of objects in the answer for a tree."""
DELETE_BATCH = 500
"""Rows that are deleted at once, so that no writer waits long."""
_GRACE_SECONDS = 2.0
"""Time for the server to end a query that takes too long, before the connection is given up."""
_SETTINGS = {"jit": "off", "plan_cache_mode": "force_custom_plan"}
"""A query is planned for its values: how many rows meet a filter differs by orders of magnitude."""

Row = Mapping[str, Any]
"""Columns of a row by their names."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Part of a list.

    Attributes:
        after: where the next page begins; None if this is the last one.
    """

    rows: Sequence[Row]
    after: PagePosition | None


@dataclass(frozen=True, slots=True)
class HistoryTree:
    """Object and its descendants, parents before their children."""

    root: str
    rows: Sequence[Row]
    is_truncated: bool


@dataclass(frozen=True, slots=True)
class HistoryStatistics:
    """Statistics of ends: rows with ``count`` or with percentiles, such as ``p50`` in milliseconds."""

    phases: Sequence[Row]
    reasons: Sequence[Row]
    duration: Row
    wait: Row
    hours: Sequence[Row]


class HistoryReader:
    """Access to the rows of one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._dialect = engine.dialect.name

    @classmethod
    def open(cls, url: URL, *, connections: int, seconds: float) -> Self:
        """Return the reader of a database; a query of more than ``seconds`` is ended, and the first one connects."""
        return cls(
            open_engine(
                url,
                connections=connections,
                seconds=seconds + _GRACE_SECONDS,
                settings=_SETTINGS | {"statement_timeout": str(round(seconds * 1000))},
            )
        )

    async def list(
        self, scope: HistoryScope, wanted: ObjectFilter, after: PagePosition | None, limit: int
    ) -> HistoryPage:
        """Return a page of at most ``limit`` rows, the newest end first; raise ``HistoryUnavailableError``."""
        query = page_query(scope, wanted, after, limit + 1, self._dialect)
        async with translated_errors(), self._engine.begin() as connection:
            rows = await _rows(connection, query)
        page = rows[:limit]
        return HistoryPage(page, _position_of(page[-1]) if len(rows) > limit else None)

    async def read(self, scope: HistoryScope, uid: str) -> Row | None:
        """Return a row with the object in ``body``, or None; raise ``HistoryUnavailableError``."""
        async with translated_errors(), self._engine.begin() as connection:
            rows = await _rows(connection, object_query(scope, uid))
        return rows[0] if rows else None

    async def read_tree(self, scope: HistoryScope, uid: str) -> HistoryTree | None:
        """Return the tree that an object belongs to, or None; raise ``HistoryUnavailableError``."""
        async with translated_errors(), self._engine.begin() as connection:
            root: str | None = await connection.scalar(root_query(scope, uid))
            if root is None:
                return None
            rows = await _rows(connection, tree_query(scope, root, MAX_TREE + 1))
        return HistoryTree(root, rows[:MAX_TREE], is_truncated=len(rows) > MAX_TREE)

    async def count(self, scope: HistoryScope, wanted: ObjectFilter) -> int:
        """Return the number of rows; raise ``HistoryUnavailableError``."""
        async with translated_errors(), self._engine.begin() as connection:
            return int(await connection.scalar(count_query(scope, wanted, self._dialect)) or 0)

    async def delete(self, scope: HistoryScope, wanted: ObjectFilter, most: int) -> int:
        """Delete at most so many rows, in small batches; return how many; raise ``HistoryUnavailableError``."""
        deleted = 0
        while deleted < most:
            limit = min(DELETE_BATCH, most - deleted)
            statement = delete_statement(scope, wanted, limit, self._dialect)
            async with translated_errors(), self._engine.begin() as connection:
                done = (await connection.execute(statement)).rowcount
            deleted += done
            if done < limit:
                break
        return deleted

    async def statistics(self, scope: HistoryScope, wanted: ObjectFilter) -> HistoryStatistics:
        """Return the statistics of all rows that meet a filter; raise ``HistoryUnavailableError``."""
        ended, hour = EndedRows.select(scope, wanted, self._dialect), ("hour",)
        async with translated_errors(), self._engine.begin() as connection:
            (duration,) = await _rows(connection, ended.percentiles("duration", (), ALL_POINTS))
            (wait,) = await _rows(connection, ended.percentiles("wait", (), ALL_POINTS))
            return HistoryStatistics(
                phases=await _rows(connection, ended.phases()),
                reasons=await _rows(connection, ended.reasons()),
                duration=duration,
                wait=wait,
                hours=_joined(
                    hour,
                    await _rows(connection, ended.counts(hour)),
                    duration=await _rows(connection, ended.percentiles("duration", hour, TYPICAL_AND_SLOW)),
                    wait=await _rows(connection, ended.percentiles("wait", hour, TYPICAL_AND_SLOW)),
                ),
            )

    async def providers(self, scope: HistoryScope, wanted: ObjectFilter) -> Sequence[Row]:
        """Return what executed actions, the most frequent first; raise ``HistoryUnavailableError``."""
        ended = EndedRows.select(scope, wanted, self._dialect)
        async with translated_errors(), self._engine.begin() as connection:
            return _joined(
                PROVIDER,
                await _rows(connection, ended.counts(PROVIDER).limit(MAX_PROVIDERS)),
                duration=await _rows(connection, ended.percentiles("duration", PROVIDER, TYPICAL_AND_SLOW)),
            )

    async def check(self) -> None:
        """Return if the database answers and has its tables; raise ``HistoryUnavailableError``."""
        await self.list(HistoryScope(), ObjectFilter(), None, 1)

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


async def _rows(connection: AsyncConnection, query: Any) -> list[Row]:
    return [dict(row._mapping) for row in await connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name


def _position_of(row: Row) -> PagePosition:
    return PagePosition(row["ended_at"], row["uid"])


def _joined(groups: Sequence[str], rows: Sequence[Row], **percentiles: Sequence[Row]) -> Sequence[Row]:
    """Return rows, each with the percentiles of the same group under their names."""
    found = {tuple(row[name] for name in groups): {**row, **{key: {} for key in percentiles}} for row in rows}
    for name, values in percentiles.items():
        for row in values:
            key = tuple(row[one] for one in groups)
            if key in found:
                found[key][name] = {point: value for point, value in row.items() if point not in groups}
    return list(found.values())
