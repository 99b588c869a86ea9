"""Scopes: the objects that a person may see, by kinds and namespaces; pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from taskaction.services.console.rows import ObjectRow


@dataclass(frozen=True, slots=True)
class ViewScope:
    """Kinds that a person may list, by namespace.

    Attributes:
        namespaces: allowed kinds of each namespace that the page is about; with an empty name, of all namespaces.
    """

    namespaces: Mapping[str, frozenset[str]]

    @property
    def is_everywhere(self) -> bool:
        """Whether the page is about all namespaces."""
        return "" in self.namespaces

    @property
    def names(self) -> list[str]:
        """Namespaces that the page is about; none if it is about all."""
        return sorted(self.namespaces) if not self.is_everywhere else []

    def allows(self, row: ObjectRow) -> bool:
        """Whether the person may see a row."""
        found = self.namespaces.get("" if self.is_everywhere else row.namespace)
        return found is not None and row.kind in found
