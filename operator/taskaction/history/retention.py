"""Retention of records by age and number, for namespaces and providers; deletes in small batches, by one process."""

import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import BigInteger, ColumnElement, case, delete, func, literal, select, text, tuple_
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from taskaction.core.clock import Clock
from taskaction.history.records import to_milliseconds
from taskaction.history.store import open_engine, translated_errors
from taskaction.history.tables import OBJECTS

BATCH = 500
"""Rows that are deleted at once, so that no writer waits long."""
_LOCK = 7_263_187_002
"""Number of the advisory lock of the one process that deletes."""
_SECONDS = 60.0
_MILLISECOND = timedelta(milliseconds=1)
_EVERY_NAMESPACE = "*"
_PLACE = re.compile(r"[^/*=, ]+(/[^/*=, ]+)?|\*/[^/*=, ]+")

Place = tuple[str, str]
"""Namespace and provider; each may be empty, which means any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRules:
    """How long records are kept, and how many; the most specific place wins, and None is without a limit.

    Attributes:
        age: for all records that no place names; ``ages`` has those of places.
        number: for each namespace; ``numbers`` has those of places, for a provider in each namespace.
        at_least: age below which nothing is deleted: the object of such a record may still exist, and would be recorded
            again.
    """

    age: timedelta | None = None
    ages: Mapping[Place, timedelta] = field(default_factory=dict)
    number: int | None = None
    numbers: Mapping[Place, int] = field(default_factory=dict)
    at_least: timedelta

    @property
    def is_empty(self) -> bool:
        """Whether all records are kept forever."""
        return self.age is None and self.number is None and not self.ages and not self.numbers

    def number_groups(self, namespace: str) -> Iterator[tuple[ColumnElement[bool], int]]:
        """Yield the groups of records of a namespace that have a maximum number, and the number."""
        of_providers = {provider: number for (place, provider), number in self.numbers.items() if not place}
        of_providers |= {provider: number for (place, provider), number in self.numbers.items() if place == namespace}
        rest = of_providers.pop("", self.number)
        here = OBJECTS.c.namespace == namespace
        for provider, number in sorted(of_providers.items()):
            yield here & (OBJECTS.c.provider == provider), number
        if rest is not None:
            named = func.coalesce(OBJECTS.c.provider, "").in_(sorted(of_providers))
            yield (here & ~named if of_providers else here), rest

    def is_too_old(self, now: datetime) -> ColumnElement[bool] | None:
        """Return the condition that a record exceeds the age of its place; None if no age is limited."""
        limits = [*self.ages.values(), *([self.age] if self.age is not None else [])]
        if not limits:
            return None
        ranked = sorted(self.ages.items(), key=lambda one: (not one[0][1], not one[0][0]))
        default = _before(now, self.age) if self.age is not None else literal(None, BigInteger)
        place = (
            case(*((_is_in(place), _before(now, age)) for place, age in ranked), else_=default) if ranked else default
        )
        return (OBJECTS.c.ended_at < _before(now, min(limits))) & (OBJECTS.c.ended_at < place)


def parse_place(text: str) -> Place:
    """Return the place that a setting names: ``team-a``, ``team-a/ci`` or ``*/ci``; raise ``ValueError``."""
    if not _PLACE.fullmatch(text):
        raise ValueError(f"invalid place {text!r}; use a namespace, namespace/provider or */provider")
    namespace, _, provider = text.partition("/")
    return ("" if namespace == _EVERY_NAMESPACE else namespace), provider


class HistoryRetention:
    """Deletes what the rules do not keep."""

    def __init__(self, engine: AsyncEngine, rules: RetentionRules, clock: Clock) -> None:
        self._engine = engine
        self._rules = rules
        self._clock = clock

    @classmethod
    def open(cls, url: URL, rules: RetentionRules, clock: Clock) -> Self:
        """Return the retention of a database; the first call connects, by one connection of its own."""
        return cls(open_engine(url, connections=1, seconds=_SECONDS), rules, clock)

    async def apply(self) -> Mapping[str, int]:
        """Delete all that the rules do not keep, unless another process does so now; return how many, by cause.

        Raises:
            HistoryError: the database does not answer, or refuses a statement.
        """
        now, deleted = self._clock.now(), {"Age": 0, "Number": 0}
        async with translated_errors(), self._engine.connect() as connection, _locked(connection) as is_first:
            if not is_first:
                return deleted
            too_old = self._rules.is_too_old(now)
            if too_old is not None:
                deleted["Age"] = await self._delete(connection, too_old, now)
            async for too_many in self._too_many(connection):
                deleted["Number"] += await self._delete(connection, too_many, now)
        return deleted

    async def close(self) -> None:
        """Close the connection."""
        await self._engine.dispose()

    async def _too_many(self, connection: AsyncConnection) -> AsyncIterator[ColumnElement[bool]]:
        """Yield the condition that a record is beyond the maximum number of its group, for each group."""
        if self._rules.number is None and not self._rules.numbers:
            return
        place = tuple_(OBJECTS.c.ended_at, OBJECTS.c.uid)
        for namespace in (await connection.scalars(select(OBJECTS.c.namespace).distinct())).all():
            for group, number in self._rules.number_groups(namespace):
                newest = select(OBJECTS.c.ended_at, OBJECTS.c.uid).where(group)
                ranked = newest.order_by(OBJECTS.c.ended_at.desc(), OBJECTS.c.uid.desc())
                first = (await connection.execute(ranked.offset(number).limit(1))).first()
                if first is not None:
                    yield group & (place <= tuple_(literal(first.ended_at, BigInteger), literal(first.uid)))

    async def _delete(self, connection: AsyncConnection, condition: ColumnElement[bool], now: datetime) -> int:
        """Delete rows in batches, with pauses as long as the batches take; return how many."""
        old_enough = OBJECTS.c.ended_at < _before(now, self._rules.at_least)
        chosen = select(OBJECTS.c.uid).where(condition, old_enough).limit(BATCH)
        deleted, done = 0, BATCH
        while done == BATCH:
            begun = time.monotonic()
            done = (await connection.execute(delete(OBJECTS).where(OBJECTS.c.uid.in_(chosen)))).rowcount
            await connection.commit()
            deleted += done
            await self._clock.sleep(time.monotonic() - begun)
        return deleted


@asynccontextmanager
async def _locked(connection: AsyncConnection) -> AsyncIterator[bool]:
    """Hold the lock of the one process that deletes; yield False if another one has it. SQLite has one process."""
    if connection.dialect.name != "postgresql":
        yield True
        return
    is_first = bool(await connection.scalar(text(f"SELECT pg_try_advisory_lock({_LOCK})")))
    try:
        yield is_first
    finally:
        if is_first:
            await connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK})"))


def _is_in(place: Place) -> ColumnElement[bool]:
    namespace, provider = place
    found: list[Any] = [OBJECTS.c.namespace == namespace] if namespace else []
    found += [OBJECTS.c.provider == provider] if provider else []
    condition: ColumnElement[bool] = found[0] if len(found) == 1 else found[0] & found[1]
    return condition


def _before(now: datetime, age: timedelta) -> ColumnElement[int]:
    return literal(to_milliseconds(now) - age // _MILLISECOND, BigInteger)
