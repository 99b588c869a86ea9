"""Output of commands: colours of phases, ages, tables, and objects as JSON or YAML; makes no requests."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.text import Text

from taskaction.api.bodies import at, parse_time, phase_of
from taskaction.cli.escaping import escape, write_text, write_unchanged
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body
from taskaction.core.constants import TASK_LABEL

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
_OTHER_CONTROLS = re.compile("[\x7f-\x9f]")
"""Control characters that JSON may contain as they are."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Output(StrEnum):
    """Output formats of ``-o``."""

    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class TableColumn:
    """Column of a table; a ``wide`` column appears only with ``-o wide``."""

    title: str
    cell: Callable[[Body], Any]
    wide: bool = False


def path_column(title: str, where: str, *, wide: bool = False) -> TableColumn:
    """Return a column for the value at a dotted path."""
    return TableColumn(title, lambda body: at(body, where), wide)


AGE = TableColumn("AGE", lambda body: age(at(body, "metadata.creationTimestamp")))
ACTIONS = (
    path_column("NAME", "metadata.name"),
    TableColumn("PHASE", phase_of),
    path_column("EXECUTOR", "spec.executor"),
    path_column("PROVIDER", "spec.providerRef.name"),
    TableColumn("TASK", lambda body: (body["metadata"].get("labels") or {}).get(TASK_LABEL, "")),
    path_column("ATTEMPT", "status.attempt"),
    path_column("MESSAGE", "status.message"),
    AGE,
    path_column("REASON", "status.reason", wide=True),
    path_column("PARENT", "spec.parentRef.name", wide=True),
    TableColumn("PARTITION", lambda body: at(body, "status.partitionKey") or at(body, "spec.partitionKey"), wide=True),
    path_column("EXTERNAL-ID", "status.externalId", wide=True),
)
RUNS = (
    path_column("NAME", "metadata.name"),
    TableColumn("PHASE", phase_of),
    path_column("FLOW", "spec.flowRef.name"),
    TableColumn("STATE", lambda body: ", ".join(one["name"] for one in at(body, "status.states", [])[:3])),
    path_column("MESSAGE", "status.message"),
    AGE,
    path_column("REASON", "status.reason", wide=True),
    path_column("LABEL", "spec.label", wide=True),
    TableColumn("TAGS", lambda body: ", ".join(at(body, "spec.tags", ())), wide=True),
    path_column("VISITS", "status.visits", wide=True),
    path_column("PARENT", "spec.parentRef.name", wide=True),
)
COLUMNS = {TASK_ACTIONS.kind: ACTIONS, ACTION_FLOW_RUNS.kind: RUNS}
NAMESPACE = path_column("NAMESPACE", "metadata.namespace")


def colour_word(word: Any) -> Text:
    """Return a phase, or the status of a condition, in its colour."""
    return Text(str(word), style=_COLOURS.get(str(word), ""))


def format_span(seconds: float) -> str:
    """Return a duration as kubectl shows ages, with at most two units."""
    whole = max(0, int(seconds))
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    if whole < 2 * _HOUR:
        return _format_two_units(whole, _MINUTE, "m", 1, "s")
    if whole < 2 * _DAY:
        return _format_two_units(whole, _HOUR, "h", _MINUTE, "m")
    return f"{whole // _DAY}d"


def _format_two_units(seconds: int, unit: int, word: str, smaller: int, smaller_word: str) -> str:
    """Return a duration in a unit, with the rest in a smaller unit for small values."""
    count, rest = divmod(seconds, unit)
    return f"{count}{word}{rest // smaller}{smaller_word}" if count < _FEW and rest // smaller else f"{count}{word}"


def age(text: Any) -> str:
    """Return the age of a time of the API server."""
    then = parse_time(text)
    return "" if then is None else format_span((datetime.now(UTC) - then).total_seconds())


def print_table(
    console: Console,
    columns: Sequence[TableColumn],
    bodies: Iterable[Body],
    *,
    wide: bool = False,
    header: bool = True,
) -> None:
    """Print a table as kubectl does; a terminal truncates rows at its width."""
    shown = [column for column in columns if wide or not column.wide]
    rows = [[Text(column.title, style="bold") for column in shown]]
    rows += [[_cell(column.cell(body)) for column in shown] for body in bodies]
    print_rows(console, rows, skip=0 if header else 1)


def print_rows(console: Console, rows: Sequence[Sequence[Text]], indent: str = "", *, skip: int = 0) -> None:
    """Print rows with aligned cells; on a narrow terminal the widest column is truncated.

    The first `skip` rows only count for the widths: they were printed before.
    """
    if not rows:
        return
    widths = [max(row[place].cell_len for row in rows) for place in range(len(rows[0]))]
    if console.is_terminal:
        room = console.width - len(indent) - _GAP * (len(widths) - 1)
        widest = max(range(len(widths)), key=lambda place: widths[place])
        widths[widest] = max(_NARROWEST, min(widths[widest], room - sum(widths) + widths[widest]))
    for row in rows[skip:]:
        line = Text(indent)
        for cell, width in zip(row, widths, strict=True):
            cell.truncate(width, overflow="ellipsis", pad=True)
            line.append_text(cell)
            line.append(" " * _GAP)
        print_line(console, line)


def print_line(console: Console, line: Text | str) -> None:
    """Print exactly one line: truncated to the width of a terminal, complete to a pipe."""
    text = line if isinstance(line, Text) else Text(escape(line))
    text.rstrip()
    if console.is_terminal:
        console.print(text, no_wrap=True, overflow="ellipsis", crop=True)
    else:
        console.print(text, soft_wrap=True)


def print_objects(console: Console, bodies: Sequence[Body], output: Output, *, single: bool = False) -> None:
    """Print complete objects, or their names; ``single`` prints one object without a List around it."""
    if output is Output.NAME:
        for body in bodies:
            print_plain(console, _full_name(body))
        return
    whole: Any = (
        bodies[0] if single and len(bodies) == 1 else {"apiVersion": "v1", "kind": "List", "items": list(bodies)}
    )
    print_plain(console, as_json(whole) if output is Output.JSON else as_yaml(whole))


def _full_name(body: Body) -> str:
    """Return the name of an object of any kind as kubectl prints it."""
    return f"{body['kind'].lower()}.{body['apiVersion'].partition('/')[0]}/{body['metadata'].get('name', '')}"


def print_plain(console: Console, text: str) -> None:
    """Print text without regard to the width of the terminal; control characters are escaped."""
    write_text(text, console.file)


def print_data(console: Console, text: str) -> None:
    """Print a result or log line; only on a terminal are control characters escaped."""
    write = write_text if console.is_terminal else write_unchanged
    write(text, console.file)


def as_json(value: Any) -> str:
    """Return a value as indented JSON, in which all control characters are escaped as JSON does."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _OTHER_CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def as_yaml(value: Any) -> str:
    """Return a value as YAML."""
    from taskaction.core.yaml import dump_document

    return dump_document(value)


def _cell(value: Any) -> Text:
    if value is None:
        return Text("")
    text = escape(" ".join(str(value).split()))  # a message may have several lines
    return colour_word(text) if text in _COLOURS else Text(text)
