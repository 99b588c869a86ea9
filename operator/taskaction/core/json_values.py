"""The one rule for JSON values: each passes unchanged, or is refused with a reason.

Unchanged means equal as JSON values (RFC 8259): integers of 64 bits exactly, other numbers as IEEE doubles, strings by
code point. What Kubernetes or another reader of JSON would change silently is refused: larger integers, numbers beyond
a double, NaN and Infinity, names that appear twice in an object, and halves of surrogate pairs.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from math import isfinite
from typing import Any, NoReturn

import orjson

from taskaction.core.names import truncate

NOT_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity"})
"""Words that some programs write for numbers that JSON does not have."""

_LARGEST = 2**63
_LARGEST_WRITTEN = 2**64
"""orjson reads larger integers as doubles, which they are in the responses of the API server."""
_INTEGER_CHARS = 20
_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]*")
_NUMBER_CHARS = 32
"""No number has a longer shortest form."""
_WHITE_SPACE = " \t\n\r"
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_PLACE_CHARS = 128
_PLACED_CHARS = 100_000
"""Maximum length of a text in which the place of a value is searched for, in some milliseconds."""

_TOO_LARGE = "is an integer beyond 64 bits; write it as a string"
_BEYOND_DOUBLE = "is a number beyond a 64-bit float; write it as a string"
_NOT_FINITE = "is NaN or Infinity, which JSON does not have; write null or a string"
_HALF_PAIR = "has half of a surrogate pair; write whole characters"
_TWICE = "appears twice in its object; keep one"
_NO_NAME = "has a name that is not a string"
_DEEP = "is nested too deeply"
_CHANGED = "has a value that a reader would change, such as an integer beyond 64 bits; write it as a string"

Place = tuple[str | int, ...]


class JsonSyntaxError(ValueError):
    """The text is not JSON."""


class JsonValueError(ValueError):
    """A reader of JSON would change a value; the message quotes no value.

    Attributes:
        place: where the value is, as names and indices.
        reason: what is wrong with it, with the remedy.
    """

    def __init__(self, place: Place, reason: str) -> None:
        self.place = place
        self.reason = reason
        super().__init__(self.under("the value"))

    def under(self, field: str) -> str:
        """Return the message for a value that ``field`` contains."""
        path = ".".join((field, *map(str, self.place))).encode("utf-8", "backslashreplace").decode()
        return f"{truncate(path, _PLACE_CHARS)}: {self.reason}"


def parse_json(content: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        JsonSyntaxError: the text is not JSON.
        JsonValueError: a reader would change a value in it.
    """
    try:
        return _parse_plain(content if isinstance(content, str) else content.decode())
    except RecursionError as error:
        raise JsonSyntaxError("nested too deeply") from error
    except JsonValueError:
        raise
    except ValueError as error:
        raise JsonSyntaxError(str(error)) from error


def _parse_plain(text: str) -> Any:
    try:
        value = _STRICT.decode(text)
    except json.JSONDecodeError:
        raise
    except (_MarkedError, ValueError):  # Python refuses integers of thousands of digits
        pass
    else:
        if _is_plain(value):
            return value
    if len(text) > _PLACED_CHARS:
        raise JsonValueError((), _CHANGED)
    value = _MARKING.decode(text)  # neither the place is known, nor whether the rest of the text is JSON
    check_value(value)
    return value


def parse_text(text: str) -> Any:
    """Return what a text stands for where both JSON and plain text are accepted: its JSON value, otherwise the text.

    A number must be in its shortest form: ``42`` and ``1.5`` are numbers, while ``007``, ``1.50``, ``4612e87`` and the
    digits of a larger integer are texts, because a number would lose what distinguishes them.

    Raises:
        JsonValueError: the text is JSON, and a reader would change a value in it.
    """
    word = text.strip(_WHITE_SPACE)
    if word in NOT_NUMBERS:
        return text
    try:
        return _shortest_number(word, text) if _NUMBER.fullmatch(word) else parse_json(text)
    except JsonSyntaxError:
        return text


def _shortest_number(word: str, text: str) -> Any:
    if len(word) > _NUMBER_CHARS:
        return text
    try:
        number = parse_json(word)
    except JsonValueError:
        return text
    # Writers differ in exponents: 1e-07 and 1e-7.
    return number if word in {repr(number), orjson.dumps(number).decode()} else text


def check_value(value: object) -> None:
    """Raise ``JsonValueError`` if a reader of JSON would change a part of ``value``."""
    if _is_plain(value):
        return
    try:
        for place, reason in _problems(value, ()):
            raise JsonValueError(place, reason)
    except RecursionError as error:
        raise JsonValueError((), _DEEP) from error


def value_problem(value: object, field: str) -> str | None:
    """Return why a reader of JSON would change a part of ``value``, which ``field`` contains; None if none would."""
    try:
        check_value(value)
    except JsonValueError as error:
        return error.under(field)
    return None


def is_same(one: object, other: object) -> bool:
    """Whether two JSON values are equal: ``1.0`` equals 1, ``true`` does not."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_same(part, other[name]) for name, part in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return float(one) == float(other)
    return one == other


# -- values ------------------------------------------------------------------------------------------------------------


_IS_PLAIN: Mapping[type, Callable[[Any], bool]] = {
    str: lambda value: value.isascii() or not _SURROGATE.search(value),
    int: lambda value: -_LARGEST <= value < _LARGEST,
    float: lambda value: value - value == 0,
    bool: lambda _: True,
    type(None): lambda _: True,
}


_ARE_PLAIN: Mapping[type, Callable[[list[Any]], bool]] = {
    str: lambda values: (text := "".join(values)).isascii() or not _SURROGATE.search(text),
    int: lambda values: min(values) >= -_LARGEST and max(values) < _LARGEST,
    float: lambda values: all(map(isfinite, values)),
    bool: lambda _: True,
    type(None): lambda _: True,
}
_MANY = 16


def _is_plain(value: Any) -> bool:
    """Whether a value certainly has no problem: fast, because every result passes here."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if type(part) is dict:
            if not all(type(name) is str and (name.isascii() or not _SURROGATE.search(name)) for name in part):
                return False
            values: Any = part.values()
        elif type(part) is list:
            values = part
        elif (check := _IS_PLAIN.get(type(part))) and check(part):
            continue
        else:
            return False
        if len(values) < _MANY:
            waiting += values
            continue
        for kind in set(map(type, values)):  # each check in C, for all values of a type
            alike = [one for one in values if type(one) is kind]
            if kind is dict or kind is list:
                waiting += alike
            elif (check_all := _ARE_PLAIN.get(kind)) is None or not check_all(alike):
                return False
    return True


def _problems(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """Yield the place and reason of each problem, in the order of the document; other types have none."""
    if (problem := _problem_of_scalar(value)) is not None:
        yield place, problem
    for name, part in _parts_of(value):
        if isinstance(name, str) and _SURROGATE.search(name):
            yield (*place, name), _HALF_PAIR
        elif not isinstance(name, str | int) or (isinstance(name, int) and isinstance(value, Mapping)):
            yield place, _NO_NAME
        yield from _problems(part, (*place, name))


def _problem_of_scalar(value: Any) -> str | None:
    match value:
        case _Marked(reason):
            return reason
        case str():
            return _HALF_PAIR if _SURROGATE.search(value) else None
        case int():
            largest = _LARGEST_WRITTEN if is_written_double(value) else _LARGEST
            return None if -_LARGEST <= value < largest else _TOO_LARGE
        case float():
            return None if value - value == 0 else _NOT_FINITE
    return None


def _parts_of(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, list | tuple):
        return enumerate(value)
    if is_dataclass(value):  # orjson writes an object
        return [(field.name, getattr(value, field.name)) for field in fields(value)]
    return ()


def is_written_double(value: int) -> bool:
    """Whether an integer beyond 64 bits is a double as Kubernetes writes it: 1e19 as the digits of its value."""
    if -_LARGEST <= value < _LARGEST:
        return False
    try:
        return int(Decimal(repr(float(value)))) == value
    except OverflowError:
        return False


def restore_doubles(value: Any) -> Any:
    """Return a value of an object of the API server with its large doubles, which Kubernetes writes as digits.

    It stores no integer beyond 64 bits, so such a number was a double. Other readers would refuse the digits.
    """
    return _with_doubles(value) if _has_large_integer(value) else value


_CONTAINERS = frozenset({dict, list})
_WITH_INTEGERS = _CONTAINERS | {int}


def _has_large_integer(value: Any) -> bool:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if type(part) is int:
            if not -_LARGEST <= part < _LARGEST:
                return True
        elif type(part) is dict:
            waiting += [one for one in part.values() if type(one) in _WITH_INTEGERS and one]
        elif type(part) is list:
            integers = [one for one in part if type(one) is int]
            if integers and not (min(integers) >= -_LARGEST and max(integers) < _LARGEST):
                return True
            waiting += [one for one in part if type(one) in _CONTAINERS and one]
    return False


def _with_doubles(value: Any) -> Any:
    if type(value) is dict:
        return {name: _with_doubles(part) for name, part in value.items()}
    if type(value) is list:
        return [_with_doubles(part) for part in value]
    return float(value) if type(value) is int and is_written_double(value) else value


# -- texts -------------------------------------------------------------------------------------------------------------


class _MarkedError(Exception):
    """A reader would change a value of the text."""


@dataclass(frozen=True, slots=True)
class _Marked:
    """Placeholder of a value that a reader would change."""

    reason: str


def _refuse(reason: str) -> NoReturn:
    raise _MarkedError(reason)


def _object_reader(refuse: Callable[[str], Any]) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = dict(pairs)
        if len(found) < len(pairs):
            times = Counter(name for name, _ in pairs)
            found |= {name: refuse(_TWICE) for name, count in times.items() if count > 1}
        return found

    return read_object


def _marking_decoder(refuse: Callable[[str], Any]) -> json.JSONDecoder:
    """Return a parser that calls ``refuse`` with the reason for each value that a reader would change."""

    def read_integer(digits: str) -> Any:
        if len(digits) > _INTEGER_CHARS or not -_LARGEST <= (number := int(digits)) < _LARGEST:
            return refuse(_TOO_LARGE)
        return number

    def read_float(digits: str) -> Any:
        number = float(digits)
        return number if number - number == 0 else refuse(_BEYOND_DOUBLE)

    return json.JSONDecoder(
        parse_int=read_integer,
        parse_float=read_float,
        parse_constant=lambda _: refuse(_NOT_FINITE),
        object_pairs_hook=_object_reader(refuse),
    )


_STRICT = json.JSONDecoder(parse_constant=lambda _: _refuse(_NOT_FINITE), object_pairs_hook=_object_reader(_refuse))
"""Parser for texts of any size: numbers are checked afterwards, because a function for each takes much longer."""
_MARKING = _marking_decoder(_Marked)


def remove_texts(data: bytes) -> bytes:
    """Return JSON without what is within its strings; what is left has its brackets and commas. Linear and fast."""
    unescaped = data.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in data else data
    return b"".join(unescaped.split(b'"')[::2])
