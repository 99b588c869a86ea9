"""Statements for statistics of ends: counts, reasons, and percentiles of durations. Builds, but runs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, case, func, select

from taskaction.api.enums import Phase
from taskaction.history.filters import ObjectFilter, conditions
from taskaction.history.scopes import HistoryScope
from taskaction.history.tables import OBJECTS

HOUR = 3_600_000
"""Milliseconds of an hour."""
ALL_POINTS, TYPICAL_AND_SLOW = (50, 90, 95, 99), (50, 95)
MAX_REASONS = 20
MAX_PROVIDERS = 200

PROVIDER = ("provider_kind", "provider", "executor")
"""Columns that say what executed an action."""


@dataclass(frozen=True, slots=True)
class EndedRows:
    """Rows of a scope that the statistics are about, with the hour of their end and the time until their start."""

    rows: Subquery

    @classmethod
    def select(cls, scope: HistoryScope, wanted: ObjectFilter, dialect: str) -> "EndedRows":
        """Return the rows of a scope that meet a filter."""
        columns = OBJECTS.c
        return cls(
            select(
                *(columns[name] for name in PROVIDER),
                columns.phase,
                columns.reason,
                columns.duration,
                (columns.started_at - columns.created_at).label("wait"),
                (columns.ended_at - columns.ended_at % HOUR).label("hour"),
                case((columns.phase == str(Phase.SUCCEEDED), 0), else_=1).label("failed"),
            )
            .where(scope.condition(), *conditions(wanted, scope, dialect))
            .subquery()
        )

    def phases(self) -> Select[Any]:
        """Return the query of the number of rows by phase."""
        rows = self.rows.c
        return select(rows.phase, func.count().label("count")).group_by(rows.phase).order_by(rows.phase)

    def reasons(self) -> Select[Any]:
        """Return the query of the most frequent reasons of those that have not succeeded."""
        rows, count = self.rows.c, func.count()
        query = select(rows.reason, count.label("count")).where(rows.failed == 1, rows.reason.is_not(None))
        return query.group_by(rows.reason).order_by(count.desc(), rows.reason).limit(MAX_REASONS)

    def counts(self, groups: Sequence[str]) -> Select[Any]:
        """Return the query of the number of rows, and of those that have not succeeded, by some columns."""
        columns, count = self._columns(groups), func.count()
        query = select(*columns, count.label("count"), func.sum(self.rows.c.failed).label("failed"))
        return query.group_by(*columns).order_by(count.desc(), *columns)

    def percentiles(self, value: str, groups: Sequence[str], points: Sequence[int]) -> Select[Any]:
        """Return the query of percentiles by some columns: the smallest value that so many percent do not exceed."""
        columns, values = self._columns(groups), self.rows.c[value]
        ranked = (
            select(
                *columns,
                values.label("value"),
                func.row_number().over(partition_by=columns or None, order_by=values).label("rank"),
                func.count().over(partition_by=columns or None).label("total"),
            )
            .where(values.is_not(None))
            .subquery()
        )
        own = [ranked.c[name] for name in groups]
        found = [
            func.min(case((ranked.c.rank * 100 >= ranked.c.total * point, ranked.c.value))).label(f"p{point}")
            for point in points
        ]
        return select(*own, *found).group_by(*own) if own else select(*found)

    def _columns(self, groups: Sequence[str]) -> list[ColumnElement[Any]]:
        return [self.rows.c[name] for name in groups]
