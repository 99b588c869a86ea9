"""What the figures of one group have in common: a stage to themselves."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.report import Figure, Row
from bench.stage import Stage


@dataclass(frozen=True)
class Group:
    """Figures that come out of one measurement."""

    name: str
    figures: tuple[Figure, ...]
    measure: Callable[[Stage], Iterable[Row]]

    @property
    def names(self) -> frozenset[str]:
        """What it may be asked for by: its own name, and those of its figures."""
        return frozenset({self.name, *(figure.name for figure in self.figures)})


def chosen(groups: Iterable[Group], names: frozenset[str]) -> list[Group]:
    """Give the groups that were asked for, all if none was named.

    Raises:
        ValueError: a name that nothing has.
    """
    groups = list(groups)
    known = frozenset().union(*(group.names for group in groups))
    if unknown := names - known:
        raise ValueError(f"nothing is called {', '.join(sorted(unknown))}; there are: {', '.join(sorted(known))}")
    return [group for group in groups if not names or names & group.names]
