"""What was measured: figures with their targets, as a table for people and a file for programs; measures nothing."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOT_REACHED = "not reached"
CIRCUMSTANCES = ("machine", "versions")


@dataclass(frozen=True)
class Target:
    """A bound that a figure should keep."""

    bound: float
    at_least: bool = False

    def holds(self, value: float) -> bool:
        """Tell whether a value keeps it."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        """Say it as people do."""
        return f"{'>=' if self.at_least else '<='} {shown(self.bound)}"


@dataclass(frozen=True)
class Figure:
    """One thing that is measured."""

    name: str
    unit: str
    target: Target | None = None

    def measured(self, value: float) -> "Row":
        """Give the row of a value."""
        return Row(self, value)

    def missing(self, reason: str) -> "Row":
        """Give the row of a figure that could not be measured."""
        return Row(self, None, reason)


@dataclass(frozen=True)
class Row:
    """A figure and what became of it."""

    figure: Figure
    value: float | None
    reason: str = ""

    @property
    def holds(self) -> bool | None:
        """Tell whether the target is kept; nothing where there is no target or no value."""
        if self.value is None or self.figure.target is None:
            return None
        return self.figure.target.holds(self.value)

    def to_dict(self) -> dict[str, Any]:
        """Give the form that goes into the file."""
        target = self.figure.target
        content = {
            "name": self.figure.name,
            "value": self.value,
            "unit": self.figure.unit,
            "target": target.bound if target else None,
            "holds": self.holds,
        }
        return content | ({"reason": self.reason} if self.reason else {})


def shown(value: float) -> str:
    """Give a number with the digits that mean something."""
    return f"{value:.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004


def table(rows: Sequence[Row]) -> str:
    """Give the rows as aligned text."""
    cells = [("figure", "value", "unit", "target", "holds")]
    for row in rows:
        value = "-" if row.value is None else shown(row.value)
        verdict = {True: "yes", False: "NO", None: ""}[row.holds]
        cells.append((row.figure.name, value, row.figure.unit, str(row.figure.target or ""), row.reason or verdict))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join(aligned(line, widths) for line in cells)


def aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    """Give one line of the table; values are read by their last digit."""
    cells = [
        cell.rjust(width) if column == 1 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def document(
    rows: Iterable[Row], circumstances: Mapping[str, Any], earlier: Iterable[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Give the file's content: this run's rows, those of earlier runs that it has not replaced, the circumstances."""
    figures = {item["name"]: dict(item) for item in earlier if item["name"] not in CIRCUMSTANCES}
    figures |= {row.figure.name: row.to_dict() for row in rows}
    around = [
        {"name": name, "value": value, "unit": "", "target": None, "holds": None}
        for name, value in circumstances.items()
    ]
    return [*figures.values(), *around]


def read(path: Path) -> list[dict[str, Any]]:
    """Give what an earlier run has written; nothing where there is none, or none that can be understood."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return []
    return [item for item in content if isinstance(item, dict) and "name" in item] if isinstance(content, list) else []


def write(path: Path, content: list[dict[str, Any]]) -> None:
    """Replace the file in one step, so that it is whole whenever the run ends."""
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1) + "\n")
    part.rename(path)


class Report:
    """One run's rows in the order in which they were announced; every change goes to the file at once."""

    def __init__(self, path: Path, circumstances: Mapping[str, Any], *, keep: bool) -> None:
        """Begin anew, or with `keep` beside what the file has of other figures."""
        self._path = path
        self._circumstances = circumstances
        self._earlier = read(path) if keep else []
        self._rows: dict[str, Row] = {}

    @property
    def rows(self) -> list[Row]:
        """The rows so far."""
        return list(self._rows.values())

    def announce(self, figures: Iterable[Figure]) -> None:
        """Enter figures before they are measured: a run that ends early tells what is missing."""
        self.add(figure.missing(NOT_REACHED) for figure in figures)

    def add(self, rows: Iterable[Row]) -> None:
        """Enter rows, each in the place of an earlier one of its name."""
        self._rows |= {row.figure.name: row for row in rows}
        write(self._path, document(self.rows, self._circumstances, self._earlier))
