"""The verdict on an object of a known kind: by a table of what its controller's states mean; pure.

The tables are in ``kinds``, one for each kind. A state that is in no row never ends an attempt, and is shown.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, assert_never

from taskaction.cluster.gateway import Body
from taskaction.core.json_values import is_same
from taskaction.core.names import truncate
from taskaction.executors.verdicts import Bound, Finished, Running, Verdict, Waiting
from taskaction.lifecycle.outcomes import Failed
from taskaction.plugin.checks import ExpectedCondition, at_path, find_condition, list_conditions

_MESSAGE_CHARS = 600
_GENERATION = re.compile(r"-?[0-9]{1,18}")


class Meaning(Enum):
    """What a state means for the action."""

    SUCCEEDED = auto()
    FAILED = auto()  # its controller does not try again
    SUSPENDED = auto()  # somebody must resume it
    WAITING = auto()  # nothing of it runs yet
    RUNNING = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """Values of a field, by its dotted path; the field must have one of them."""

    path: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """Condition of the status; it must have the status and, if ``reasons`` are given, one of them."""

    type: str
    status: str = "True"
    reasons: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Row:
    """Row of a table: what it means if all ``signs`` hold; without signs, what every object means."""

    meaning: Meaning
    signs: tuple[Field | Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """Table of the states of a kind.

    Attributes:
        rows: the first whose signs hold decides.
        details: fields whose text a message shows in addition to the state.
        observed: the field of the generation that the status belongs to, if the controller writes one.
    """

    rows: tuple[Row, ...]
    details: tuple[str, ...] = ()
    observed: str = "status.observedGeneration"


def read_state(states: States, kind: str, title: str, body: Body) -> Verdict:
    """Return the verdict on ``body``, an object of ``kind`` whose messages call it ``title``."""
    row = next((row for row in states.rows if _holds(states, row, body)), None)
    said = truncate(_describe(states, body), _MESSAGE_CHARS)
    if row is None:
        return Running(f"{title}: {_describe_unknown(states, said, body)}")
    match row.meaning:
        case Meaning.SUCCEEDED:
            return Finished()
        case Meaning.FAILED:
            return Failed(code=f"{kind}Failed", message=f"{title}: {said}")
        case Meaning.SUSPENDED:
            return Waiting(problem=f"{title} is suspended: {said}", bound=Bound.UNLIMITED)
        case Meaning.WAITING:
            return Waiting(problem=f"{title}: {said or 'no state yet'}", bound=Bound.UNLIMITED)
        case Meaning.RUNNING:
            return Running(f"{title}: {said}")
        case _:
            assert_never(row.meaning)


def _holds(states: States, row: Row, body: Body) -> bool:
    # What a controller says of an older spec, such as Ready, is no success of the present one. A condition may be newer
    # than the status: Flux writes status.observedGeneration only after a success.
    if row.meaning is Meaning.SUCCEEDED and row.signs and _is_outdated(at_path(body, states.observed), body):
        return False
    return all(_shows(states, sign, body) for sign in row.signs)


def _shows(states: States, sign: Field | Condition, body: Body) -> bool:
    """Whether a sign holds by the spec, or by a status that belongs to the present spec."""
    if isinstance(sign, Field):
        if sign.path.startswith("status.") and _is_outdated(at_path(body, states.observed), body):
            return False
        value = at_path(body, sign.path)
        return any(is_same(value, one) for one in sign.values)
    found = find_condition(body, sign.type)
    if found.get("status") != sign.status or (sign.reasons and found.get("reason") not in sign.reasons):
        return False
    # The condition's own generation is the exact one.
    return not _is_outdated(found.get("observedGeneration", at_path(body, states.observed)), body)


def _is_outdated(observed: Any, body: Body) -> bool:
    """Whether a generation, or a text that begins with one, is older than the object's; False if there is none."""
    present = at_path(body, "metadata.generation")
    given = _GENERATION.match(observed) if isinstance(observed, str) else None
    seen = int(given.group()) if given is not None else observed
    return isinstance(seen, int) and isinstance(present, int) and seen < present


def _describe(states: States, body: Body) -> str:
    """Return the state: the fields and conditions that the table knows, and the details."""
    signs = [sign for row in states.rows for sign in row.signs]
    # A field of the spec, such as suspend, is part of the state only with the value that the table names.
    fields = [one for one in signs if isinstance(one, Field)]
    paths = dict.fromkeys(one.path for one in fields if one.path.startswith("status.") or _shows(states, one, body))
    types = dict.fromkeys(one.type for one in signs if isinstance(one, Condition) and find_condition(body, one.type))
    parts = [f"{path} is {value!r}" for path in paths if (value := at_path(body, path)) not in (None, "")]
    parts += [ExpectedCondition(type=kind).describe(body) for kind in types]
    texts = [at_path(body, path) for path in states.details]
    details = [text.strip() for text in texts if isinstance(text, str) and text.strip()]
    return ", ".join(parts) + (f" ({'; '.join(details)})" if details else "")


def _describe_unknown(states: States, said: str, body: Body) -> str:
    """Return what an object says of which no row of the table holds."""
    conditions = list_conditions(body)
    observed = [at_path(body, states.observed), *(one.get("observedGeneration") for one in conditions)]
    if any(_is_outdated(one, body) for one in observed):
        return f"its controller has not seen the present spec yet; {said or 'no state'}"
    if said:
        return f"{said}; this operator does not know the state and waits"
    others = [f"condition {one.get('type')} is {one.get('status')}" for one in conditions]
    return truncate(", ".join(others), _MESSAGE_CHARS) or "no state yet"
