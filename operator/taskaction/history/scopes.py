"""Scopes: which rows of the history a caller may see or delete. Every query requires one; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from sqlalchemy import ColumnElement, false, or_, true

from taskaction.api.enums import ParentKind
from taskaction.history.tables import OBJECTS

ALL_KINDS = frozenset(map(str, ParentKind))


@dataclass(frozen=True, slots=True)
class HistoryScope:
    """Rows of some kinds, in all namespaces or in those that are named; no row is in an empty scope.

    Attributes:
        kinds: the kinds whose rows are in the scope in every namespace.
        namespaces: further kinds by namespace.
    """

    kinds: frozenset[str] = frozenset()
    namespaces: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def everywhere(cls, kinds: Iterable[str] = ALL_KINDS) -> Self:
        """Return the scope of all namespaces."""
        return cls(kinds=frozenset(kinds))

    @classmethod
    def within(cls, namespaces: Mapping[str, Iterable[str]]) -> Self:
        """Return the scope of some kinds by namespace."""
        return cls(namespaces={name: frozenset(kinds) for name, kinds in sorted(namespaces.items()) if kinds})

    def parts(self) -> list[ColumnElement[bool]]:
        """Return a condition for each part of the scope; a row meets one of them at most.

        One condition for each namespace lets a database read each in the order of an index.
        """
        found = [_of_kinds(self.kinds)] if self.kinds else []
        for namespace, kinds in self.namespaces.items():
            if further := kinds - self.kinds:
                found.append((OBJECTS.c.namespace == namespace) & _of_kinds(further))
        return found or [false()]

    def condition(self) -> ColumnElement[bool]:
        """Return the condition that a row is in the scope."""
        return or_(*self.parts())


def _of_kinds(kinds: frozenset[str]) -> ColumnElement[bool]:
    return true() if kinds >= ALL_KINDS else OBJECTS.c.kind.in_(sorted(kinds))
