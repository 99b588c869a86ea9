"""Values from Secrets as a type of its own, from the read to the request that carries them.

A ``Secret`` is not a ``str``: it cannot be joined to a text, written as JSON or stored by accident, and its own text
form is ``[redacted]``. ``reveal`` is the one way to its value, for the request to the target.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import core_schema

from taskaction.core.constants import NESTING_LIMIT

REDACTED = "[redacted]"
"""Text that is shown instead of a value from a Secret."""


Place = tuple[str | int, ...]
"""Place of a value in a document: names and indices."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """Key of a Secret whose whole value is the value, so that a container can be told to read it itself."""

    name: str
    key: str


class Secret:
    """Value from a Secret: a text, a number or a boolean; its text form is ``[redacted]``.

    Attributes:
        origin: the key that it is the whole value of; None for a part of one, or for what was made from several.
    """

    __slots__ = ("_value", "origin")

    def __init__(self, value: str | float | bool, origin: SecretKey | None = None) -> None:  # noqa: FBT001 - any scalar
        self._value = value
        self.origin = origin

    def reveal(self) -> Any:
        """Return the value, for the request to the target."""
        return self._value

    def __repr__(self) -> str:
        return REDACTED

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        """Compare with another value, in constant time for texts."""
        theirs = other.reveal() if isinstance(other, Secret) else other
        if isinstance(self._value, str) and isinstance(theirs, str):
            return hmac.compare_digest(self._value.encode(), theirs.encode())
        return type(self._value) is type(theirs) and bool(self._value == theirs)

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce__(self) -> Any:
        raise TypeError("a value from a Secret cannot be serialized; reveal it where the request is made")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> core_schema.CoreSchema:
        """Accept instances only, and describe them to JSON Schema as a text."""
        return core_schema.json_or_python_schema(
            json_schema=core_schema.str_schema(), python_schema=core_schema.is_instance_schema(cls)
        )


_LISTS = (list, tuple)
_NOT_SCALAR = (dict, list, tuple, Secret)
_SCALARS = frozenset({str, int, float, bool, type(None)})


def wrap(value: Any, origin: SecretKey | None = None) -> Any:
    """Return a JSON value with each text, number and boolean as a ``Secret``; names and nulls stay as they are."""
    if isinstance(value, dict):
        return {name: wrap(part) for name, part in value.items()}
    if isinstance(value, list):
        return [wrap(part) for part in value]
    return value if value is None else Secret(value, origin)


def reveal(value: Any) -> Any:
    """Return a value with every ``Secret`` in it replaced by what it stands for."""
    return _reveal_all(value) if has_secret(value) else value


def _reveal_all(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _reveal_all(part) if isinstance(part, _NOT_SCALAR) else part for name, part in value.items()}
    if isinstance(value, _LISTS):
        return [_reveal_all(part) if isinstance(part, _NOT_SCALAR) else part for part in value]
    return value.reveal() if isinstance(value, Secret) else value


def secrets_in(value: Any) -> Iterator[tuple[Place, Secret]]:
    """Return every ``Secret`` in a value with its place, at any depth."""
    found: list[tuple[Place, Secret]] = []
    if has_secret(value):
        _collect(value, [], found)
    return iter(found)


def has_secret(value: Any) -> bool:
    """Whether a value contains a ``Secret``; without places, which take ten times as long in a large value."""
    level, parts = 0, [value]
    while parts and level <= NESTING_LIMIT + 1:  # deeper values are refused
        below: list[Any] = []
        for part in parts:
            if isinstance(part, dict):
                below += [
                    one for one in part.values() if type(one) not in _SCALARS and (one or isinstance(one, Secret))
                ]
            elif isinstance(part, _LISTS):
                below += [one for one in part if type(one) not in _SCALARS and (one or isinstance(one, Secret))]
            elif isinstance(part, Secret):
                return True
        level, parts = level + 1, below
    return False


def _collect(part: Any, place: list[str | int], found: list[tuple[Place, Secret]]) -> None:
    if isinstance(part, Secret):
        found.append((tuple(place), part))
    elif isinstance(part, dict | list | tuple) and len(place) <= NESTING_LIMIT:
        for name, one in part.items() if isinstance(part, dict) else enumerate(part):
            if isinstance(one, _NOT_SCALAR) and (one or isinstance(one, Secret)):
                place.append(name)
                _collect(one, place, found)
                place.pop()
