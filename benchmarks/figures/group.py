"""What the figures of one group have in common: a stage to themselves."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Figure, Row
from benchmarks.stage import Stage
from cluster.binaries import Say
from cluster.controlplane import ControlPlane


def bare(programs: Path, say: Say) -> ControlPlane:  # noqa: ARG001 - others build something first, and say so
    """Give a control plane without nodes."""
    return ControlPlane(programs)


@dataclass(frozen=True)
class Group:
    """Figures that come out of one measurement."""

    name: str
    figures: tuple[Figure, ...]
    measure: Callable[[Stage], Iterable[Row]]
    plane: Callable[[Path, Say], ControlPlane] = bare
    """Gives the control plane, from the folder of its programs; not started yet."""

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
