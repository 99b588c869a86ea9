"""How things look: phases and their colours, ages, tables, and objects as JSON or YAML; asks nobody anything."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.text import Text

from taskaction.cli.objects import at, phase_of, ref_of
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body

_COLOURS = {
    "Succeeded": "green",
    "Failed": "red",
    "TimedOut": "red",
    "Aborted": "yellow",
    "Running": "cyan",
    "Initializing": "cyan",
    "Paused": "magenta",
    "True": "green",
    "False": "red",
}
_GAP = 3
_FEW = 10
_NARROWEST = 12
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Output(StrEnum):
    """The forms of ``-o``."""

    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; ``wide`` ones are shown with ``-o wide`` only."""

    title: str
    cell: Callable[[Body], Any]
    wide: bool = False


def path(title: str, where: str, *, wide: bool = False) -> Column:
    """Give the column of what is at a dotted path."""
    return Column(title, lambda body: at(body, where), wide)


AGE = Column("AGE", lambda body: age(at(body, "metadata.creationTimestamp")))
ACTIONS = (
    path("NAME", "metadata.name"),
    Column("PHASE", phase_of),
    path("EXECUTOR", "spec.executor"),
    path("PROVIDER", "spec.providerRef.name"),
    path("ATTEMPT", "status.attempt"),
    path("MESSAGE", "status.message"),
    AGE,
    path("REASON", "status.reason", wide=True),
    path("PARENT", "spec.parentRef.name", wide=True),
    path("PARTITION", "spec.partitionKey", wide=True),
    path("EXTERNAL-ID", "status.externalId", wide=True),
)
RUNS = (
    path("NAME", "metadata.name"),
    Column("PHASE", phase_of),
    path("FLOW", "spec.flowRef.name"),
    Column("STATE", lambda body: ", ".join(one["name"] for one in at(body, "status.states", [])[:3])),
    path("MESSAGE", "status.message"),
    AGE,
    path("REASON", "status.reason", wide=True),
    path("LABEL", "spec.label", wide=True),
    Column("TAGS", lambda body: ", ".join(at(body, "spec.tags", ())), wide=True),
    path("VISITS", "status.visits", wide=True),
    path("PARENT", "spec.parentRef.name", wide=True),
)
COLUMNS = {TASK_ACTIONS.kind: ACTIONS, ACTION_FLOW_RUNS.kind: RUNS}
NAMESPACE = path("NAMESPACE", "metadata.namespace")


def coloured(word: Any) -> Text:
    """Give a phase, or the status of a condition, in its colour."""
    return Text(str(word), style=_COLOURS.get(str(word), ""))


def short(seconds: float) -> str:
    """Give a time span as kubectl shows ages: two figures say enough."""
    whole = max(0, int(seconds))
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    if whole < 2 * _HOUR:
        return _two(whole, _MINUTE, "m", 1, "s")
    if whole < 2 * _DAY:
        return _two(whole, _HOUR, "h", _MINUTE, "m")
    return f"{whole // _DAY}d"


def _two(seconds: int, unit: int, word: str, smaller: int, smaller_word: str) -> str:
    """Give a span in a unit, and the rest in a smaller one while it matters."""
    count, rest = divmod(seconds, unit)
    return f"{count}{word}{rest // smaller}{smaller_word}" if count < _FEW and rest // smaller else f"{count}{word}"


def moment(text: Any) -> datetime | None:
    """Read a time of the API server; None where there is none."""
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def age(text: Any) -> str:
    """Give how long ago a time of the API server is."""
    then = moment(text)
    return "" if then is None else short((datetime.now(UTC) - then).total_seconds())


def table(console: Console, columns: Sequence[Column], bodies: Iterable[Body], *, wide: bool = False) -> None:
    """Print objects as kubectl does; on a terminal a row is cut at its right end."""
    shown = [column for column in columns if wide or not column.wide]
    rows = [[Text(column.title, style="bold") for column in shown]]
    rows += [[_cell(column.cell(body)) for column in shown] for body in bodies]
    print_rows(console, rows)


def print_rows(console: Console, rows: Sequence[Sequence[Text]], indent: str = "") -> None:
    """Print rows with their cells aligned; where a terminal is too narrow, the widest column gives way."""
    if not rows:
        return
    widths = [max(row[place].cell_len for row in rows) for place in range(len(rows[0]))]
    if console.is_terminal:
        room = console.width - len(indent) - _GAP * (len(widths) - 1)
        widest = max(range(len(widths)), key=lambda place: widths[place])
        widths[widest] = max(_NARROWEST, min(widths[widest], room - sum(widths) + widths[widest]))
    for row in rows:
        line = Text(indent)
        for cell, width in zip(row, widths, strict=True):
            cell.truncate(width, overflow="ellipsis", pad=True)
            line.append_text(cell)
            line.append(" " * _GAP)
        say(console, line)


def say(console: Console, line: Text | str) -> None:
    """Print one line, and never two: a terminal gets what it has room for, a pipe gets all."""
    text = line if isinstance(line, Text) else Text(line)
    text.rstrip()
    if console.is_terminal:
        console.print(text, no_wrap=True, overflow="ellipsis", crop=True)
    else:
        console.print(text, soft_wrap=True)


def show(console: Console, bodies: Sequence[Body], output: Output, *, single: bool = False) -> None:
    """Print objects whole, or their names; ``single`` is for one that was asked for by its name."""
    if output is Output.NAME:
        for body in bodies:
            print_plain(console, str(ref_of(body)))
        return
    whole: Any = (
        bodies[0] if single and len(bodies) == 1 else {"apiVersion": "v1", "kind": "List", "items": list(bodies)}
    )
    print_plain(console, as_json(whole) if output is Output.JSON else as_yaml(whole))


def show_results(console: Console, ended: Sequence[Body], output: Output | None) -> None:
    """Print what has ended: whole where a form was asked for, else what came of it."""
    if output is not None:
        show(console, ended, output, single=len(ended) == 1)
        return
    for body in ended:
        result = at(body, "status.output")
        if result is not None:
            print_plain(console, result if isinstance(result, str) else as_json(result))


def print_plain(console: Console, text: str) -> None:
    """Print text as it stands, whatever the width of the screen."""
    console.file.write(text.rstrip("\n") + "\n")
    console.file.flush()


def as_json(value: Any) -> str:
    """Give a value as JSON for people and programs."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def as_yaml(value: Any) -> str:
    """Give a value as YAML."""
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
    return text


def _cell(value: Any) -> Text:
    if value is None:
        return Text("")
    text = " ".join(str(value).split())  # a message may have several lines
    return coloured(text) if text in _COLOURS else Text(text)
