"""Filters of lists, as the address of a page states them; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from taskaction.api.enums import Phase
from taskaction.services.console.errors import invalid
from taskaction.services.console.rows import BY_KIND, ObjectRow, Position

MAX_NAMESPACES = 100
_MOST_CHARS = 256
COLUMNS = ("namespace", "runner", "attempt", "created", "duration", "message")
"""Columns that a reader can leave out; phase and name are always there."""
_ONE = ("kind", "runner", "reason", "q", "before")
_MANY = ("namespace", "phase", "label", "columns")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFilter:
    """What a list shows; an empty field restricts nothing."""

    namespaces: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    kind: str = ""
    runner: str = ""
    reason: str = ""
    text: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    columns: tuple[str, ...] = field(default=COLUMNS)
    before: Position | None = None

    @classmethod
    def parse(cls, query: Iterable[tuple[str, str]]) -> "RowFilter":
        """Read the parameters of an address; raise ``PageError`` for one that is unknown or invalid."""
        found: dict[str, list[str]] = {}
        for name, value in query:
            if name not in _ONE and name not in _MANY:
                raise invalid(name, f"unknown parameter; known are {', '.join(sorted((*_ONE, *_MANY)))}")
            if len(value) > _MOST_CHARS:
                raise invalid(name, f"longer than {_MOST_CHARS} characters")
            if value:
                found.setdefault(name, []).append(value)
        return cls(
            namespaces=_namespaces(found.get("namespace", ())),
            phases=tuple(sorted({_one_of("phase", word, tuple(Phase)) for word in found.get("phase", ())})),
            kind=_one_of("kind", _last(found, "kind"), (*BY_KIND, "")),
            runner=_last(found, "runner"),
            reason=_last(found, "reason"),
            text=_last(found, "q"),
            labels=tuple(sorted(map(_label, found.get("label", ())))),
            columns=_columns(found.get("columns", ())),
            before=_position(_last(found, "before")),
        )

    def matches(self, row: ObjectRow) -> bool:
        """Whether a list shows a row, wherever it begins."""
        if self.phases and row.phase not in self.phases:
            return False
        for wanted, found in ((self.kind, row.kind), (self.runner, row.runner), (self.reason, row.reason)):
            if wanted and wanted != found:
                return False
        if self.labels and not set(self.labels) <= set(row.labels):
            return False
        return all(word in row.name or word in row.message.casefold() for word in self.text.casefold().split())

    def query(self, **changes: Any) -> str:
        """Return the address of a list with some fields changed; a list always begins at its start unless stated."""
        wanted = replace(self, **({"before": None} | changes))
        pairs = [("namespace", one) for one in wanted.namespaces] + [("phase", one) for one in wanted.phases]
        pairs += [("label", f"{key}={value}") for key, value in wanted.labels]
        pairs += [
            (name, value)
            for name, value in (
                ("kind", wanted.kind),
                ("runner", wanted.runner),
                ("reason", wanted.reason),
                ("q", wanted.text),
                ("before", "~".join(wanted.before or ())),
            )
            if value
        ]
        pairs += [("columns", one) for one in wanted.columns if wanted.columns != COLUMNS]
        return f"/actions?{urlencode(pairs)}" if pairs else "/actions"

    def toggle_phase(self, phase: str) -> str:
        """Return the address of the list with a phase added, or removed if it is there."""
        phases = set(self.phases) ^ {phase}
        return self.query(phases=tuple(sorted(phases)))

    @property
    def is_narrow(self) -> bool:
        """Whether the list leaves out rows for another reason than their namespace."""
        return bool(self.phases or self.kind or self.runner or self.reason or self.text or self.labels)


def _last(found: dict[str, list[str]], name: str) -> str:
    return found.get(name, [""])[-1]


def _one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise invalid(name, f"use one of {', '.join(word for word in allowed if word)}")
    return value


def _namespaces(values: Sequence[str]) -> tuple[str, ...]:
    found = tuple(sorted({word for value in values for word in value.replace(",", " ").split()}))
    if len(found) > MAX_NAMESPACES:
        raise invalid("namespace", f"more than {MAX_NAMESPACES} namespaces")
    return found


def _label(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise invalid("label", "use key=value")
    return key, value


def _columns(values: Sequence[str]) -> tuple[str, ...]:
    found = {_one_of("columns", word, COLUMNS) for word in values}
    return tuple(word for word in COLUMNS if word in found) or COLUMNS


def _position(text: str) -> Position | None:
    if not text:
        return None
    try:
        created, name, uid = text.split("~")
    except ValueError:
        raise invalid("before", "follow a link to older actions instead") from None
    return created, name, uid
