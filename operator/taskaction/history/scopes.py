"""Scopes: which rows of the history a caller may see or delete. Every query requires one; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from sqlalchemy import ColumnElement, false, or_, true

from taskaction.api.enums import ParentKind
from taskaction.history.tables import OBJECTS

ALL_KINDS = frozenset(map(str, ParentKind))
MAX_PARTS = 8
"""Namespaces that are parts of their own; a statement of many parts costs more to build than it spares."""


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

        A few namespaces are parts of their own, since a database reads each of them in the order of an index.
        """
        if len(self.namespaces) > MAX_PARTS:
            return self._groups()
        places = [_in_namespaces([name], further) for name, further in self._further().items()]
        return [*self._everywhere(), *places] or [false()]

    def condition(self) -> ColumnElement[bool]:
        """Return the condition that a row is in the scope."""
        return or_(*self._groups())

    def _groups(self) -> list[ColumnElement[bool]]:
        """Return a condition for each set of kinds; a row meets one of them at most."""
        groups: dict[frozenset[str], list[str]] = {}
        for name, further in self._further().items():
            groups.setdefault(further, []).append(name)
        places = [_in_namespaces(names, further) for further, names in groups.items()]
        return [*self._everywhere(), *places] or [false()]

    def _everywhere(self) -> list[ColumnElement[bool]]:
        return [_of_kinds(self.kinds)] if self.kinds else []

    def _further(self) -> Mapping[str, frozenset[str]]:
        """Return the kinds of each namespace that are not in the scope everywhere."""
        further = {name: kinds - self.kinds for name, kinds in self.namespaces.items()}
        return {name: kinds for name, kinds in further.items() if kinds}


def _in_namespaces(names: Sequence[str], kinds: frozenset[str]) -> ColumnElement[bool]:
    column = OBJECTS.c.namespace
    return (column == names[0] if len(names) == 1 else column.in_(names)) & _of_kinds(kinds)


def _of_kinds(kinds: frozenset[str]) -> ColumnElement[bool]:
    return true() if kinds >= ALL_KINDS else OBJECTS.c.kind.in_(sorted(kinds))
