"""Filters of rows by what people search for; pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from taskaction.history.scopes import HistoryScope
from taskaction.history.tables import OBJECTS

MAX_DEPTH = 64
"""Levels of a tree that are followed; a cycle of owners must not be followed forever."""

Conditions = Sequence[ColumnElement[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFilter:
    """What rows must have, as far as it is set; times are milliseconds since 1970, durations milliseconds.

    Attributes:
        parent: uid of the parent.
        root: uid of the object itself, or of an ancestor.
        since: first end that is included; ``until`` is the first that is not.
        message: text that the message contains, in any case.
    """

    kind: str | None = None
    phases: tuple[str, ...] = ()
    reason: str | None = None
    executor: str | None = None
    provider: str | None = None
    provider_kind: str | None = None
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    root: str | None = None
    since: int | None = None
    until: int | None = None
    min_duration: int | None = None
    max_duration: int | None = None
    message: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether all rows meet the filter."""
        return self == ObjectFilter()


_EQUAL = ("kind", "reason", "executor", "provider", "provider_kind", "name")
_COMPARED: Mapping[str, Callable[[Any], ColumnElement[bool]]] = {
    "parent": lambda uid: OBJECTS.c.owner_uid == uid,
    "since": lambda at: OBJECTS.c.ended_at >= at,
    "until": lambda at: OBJECTS.c.ended_at < at,
    "min_duration": lambda duration: OBJECTS.c.duration >= duration,
    "max_duration": lambda duration: OBJECTS.c.duration <= duration,
    "message": lambda text: OBJECTS.c.message.icontains(text, autoescape=True),
}


def conditions(wanted: ObjectFilter, scope: HistoryScope, dialect: str) -> Conditions:
    """Return the conditions of a filter; the scope bounds which rows are followed from a root to its descendants."""
    found = [OBJECTS.c[name] == value for name in _EQUAL if (value := getattr(wanted, name)) is not None]
    found += [compare(value) for name, compare in _COMPARED.items() if (value := getattr(wanted, name)) is not None]
    if wanted.phases:
        found.append(OBJECTS.c.phase.in_(wanted.phases))
    if wanted.labels:
        found += _labels(wanted.labels, dialect)
    if wanted.root is not None:
        found.append(OBJECTS.c.uid.in_(descendants(wanted.root, scope)))
    return found


def descendants(root: str, scope: HistoryScope) -> Select[tuple[str]]:
    """Return the uids of an object and of all that is below it, as far as it is in the scope."""
    level = select(literal(root).label("uid"), literal(0).label("depth")).cte("below", recursive=True)
    children = (
        select(OBJECTS.c.uid, level.c.depth + 1)
        .join(level, OBJECTS.c.owner_uid == level.c.uid)
        .where(scope.condition(), level.c.depth < MAX_DEPTH)
    )
    return select(level.union(children).c.uid)


def _labels(labels: Mapping[str, str], dialect: str) -> Conditions:
    column = OBJECTS.c.labels
    if dialect == "postgresql":  # one containment, which the index of labels answers
        return [column.cast(JSONB).contains(dict(labels))]
    return [column[name].as_string() == value for name, value in labels.items()]
