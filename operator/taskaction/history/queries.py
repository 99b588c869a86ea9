"""Statements that list, count, read and delete rows; each one is restricted to a scope. Builds, but runs nothing."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Delete, Select, delete, func, literal, select, tuple_, union_all

from taskaction.history.filters import MAX_DEPTH, ObjectFilter, conditions
from taskaction.history.pages import PagePosition
from taskaction.history.scopes import HistoryScope
from taskaction.history.tables import OBJECTS

MESSAGE_CHARS = 1024
"""Characters of a message that a list shows."""
SUMMARY_NAMES = tuple(column.name for column in OBJECTS.c if column.name not in {"body", "version"})
"""Columns of a list: all but the object itself, whose size has no bound that suits a list."""


def page_query(
    scope: HistoryScope, wanted: ObjectFilter, after: PagePosition | None, limit: int, dialect: str
) -> Select[Any]:
    """Return the query of one page: the newest ends after a position.

    Each part of the scope is read for itself, in the order of an index, and at most as much of it as the page needs.
    """
    shared = [*conditions(wanted, scope, dialect), *([_is_after(after)] if after is not None else [])]
    parts = [
        select(*_summary_columns())
        .where(part, *shared)
        .order_by(OBJECTS.c.ended_at.desc(), OBJECTS.c.uid.desc())
        .limit(limit)
        for part in scope.parts()
    ]
    if len(parts) == 1:
        return parts[0]
    rows = union_all(*(select(part.subquery()) for part in parts)).subquery()
    return select(rows).order_by(rows.c.ended_at.desc(), rows.c.uid.desc()).limit(limit)


def count_query(scope: HistoryScope, wanted: ObjectFilter, dialect: str) -> Select[int]:
    """Return the query of the number of rows."""
    return select(func.count()).select_from(OBJECTS).where(scope.condition(), *conditions(wanted, scope, dialect))


def delete_statement(scope: HistoryScope, wanted: ObjectFilter, limit: int, dialect: str) -> Delete:
    """Return the statement that deletes some of the rows, as many as ``limit``."""
    chosen = select(OBJECTS.c.uid).where(scope.condition(), *conditions(wanted, scope, dialect)).limit(limit)
    return delete(OBJECTS).where(scope.condition(), OBJECTS.c.uid.in_(chosen))


def object_query(scope: HistoryScope, uid: str) -> Select[Any]:
    """Return the query of one row with its object."""
    return select(*_summary_columns(), OBJECTS.c.body).where(scope.condition(), OBJECTS.c.uid == uid)


def root_query(scope: HistoryScope, uid: str) -> Select[tuple[str]]:
    """Return the query of the topmost recorded ancestor of a row; it has no result if the row is not in the scope."""
    start = select(OBJECTS.c.uid, OBJECTS.c.owner_uid, literal(0).label("height"))
    above = start.where(scope.condition(), OBJECTS.c.uid == uid).cte("above", recursive=True)
    owners = (
        select(OBJECTS.c.uid, OBJECTS.c.owner_uid, above.c.height + 1)
        .join(above, OBJECTS.c.uid == above.c.owner_uid)
        .where(scope.condition(), above.c.height < MAX_DEPTH)
    )
    found = above.union_all(owners)
    return select(found.c.uid).order_by(found.c.height.desc()).limit(1)


def tree_query(scope: HistoryScope, root: str, limit: int) -> Select[Any]:
    """Return the query of an object and its descendants: parents before their children, the oldest first."""
    start = select(OBJECTS.c.uid, literal(0).label("depth")).where(scope.condition(), OBJECTS.c.uid == root)
    below = start.cte("below", recursive=True)
    children = (
        select(OBJECTS.c.uid, below.c.depth + 1)
        .join(below, OBJECTS.c.owner_uid == below.c.uid)
        .where(scope.condition(), below.c.depth < MAX_DEPTH)
    )
    found = below.union_all(children)
    return (
        select(*_summary_columns())
        .join(found, found.c.uid == OBJECTS.c.uid)
        .order_by(found.c.depth, OBJECTS.c.created_at, OBJECTS.c.uid)
        .limit(limit)
    )


def _summary_columns() -> list[ColumnElement[Any]]:
    return [
        func.substr(OBJECTS.c.message, 1, MESSAGE_CHARS).label(name) if name == "message" else OBJECTS.c[name]
        for name in SUMMARY_NAMES
    ]


def _is_after(position: PagePosition) -> ColumnElement[bool]:
    return tuple_(OBJECTS.c.ended_at, OBJECTS.c.uid) < tuple_(
        literal(position.ended_at, BigInteger), literal(position.uid, OBJECTS.c.uid.type)
    )
