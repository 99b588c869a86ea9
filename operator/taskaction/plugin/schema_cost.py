"""Upper bounds for the cost of JSON Schemas, which decide where a schema is evaluated; pure.

A unit is about 3 microseconds of this process's time. A schema whose cost has no bound by its own text, such as a
recursive one, is never cheap.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from taskaction.plugin.secrets import Secret

CHEAP_UNITS = 5_000
"""Maximum cost of what the event loop evaluates itself, about 15 ms."""

CHEAP_SCHEMA_BYTES = 2_048
"""Maximum size of a schema that the event loop validates itself."""

CHEAP_SCHEMA_PARTS = 40
"""Maximum number of parts of a schema that the event loop validates itself, about 12 ms: each takes up to 0.4 ms."""

UNBOUNDED = 1_000_000_000

_BYTES_PER_UNIT = 256
_PATTERN_CHARS_PER_UNIT = 8
_CLASS_CHARS = 200
"""Size of a class such as ``\\w``, in characters: it has hundreds of ranges."""

_DATA = frozenset({"const", "enum", "default", "examples"})
_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_UNFOLLOWED = frozenset({"$dynamicRef", "$recursiveRef", "unevaluatedProperties", "unevaluatedItems"})
"""Keywords that refer to what only an evaluation finds, or repeat evaluations."""

_COUNTS = re.compile(r"\{(\d+)(?:,(\d*))?\}")


def schema_units(schema: Any) -> int:
    """Return how many keywords are evaluated for one value at most, with every reference replaced by its target."""
    try:
        return _Expansion(schema).units(schema)
    except (RecursionError, ValueError):  # a chain of thousands of references, or one with thousands of digits
        return UNBOUNDED


def schema_parts(schema: Any) -> int:
    """Return the number of objects, lists and booleans in a schema, each of which may be a schema by itself."""
    count, waiting = 0, [schema]
    while waiting:
        match waiting.pop():
            case Mapping() as one:
                count += 1
                waiting += one.values()
            case list() as one:
                count += 1
                waiting += one
            case bool():
                count += 1
    return count


def value_units(value: Any, limit: int = CHEAP_UNITS) -> int:
    """Return the number of parts of a value, plus its texts by their length; stop counting beyond ``limit``."""
    count, waiting = 0, [value]
    while waiting and count <= limit:
        one = waiting.pop()
        count += 1
        one = one.reveal() if isinstance(one, Secret) else one
        if isinstance(one, str):
            count += len(one) // _BYTES_PER_UNIT
        elif isinstance(one, Mapping):
            count += sum(map(len, one)) // _BYTES_PER_UNIT
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one
    return count


def pattern_units(pattern: str) -> int:
    """Return the size of a compiled pattern: repetitions by counts multiply it, and classes are large."""
    size = len(pattern) + _CLASS_CHARS * (pattern.count("\\") + pattern.count("(?i"))
    for least, most in _COUNTS.findall(pattern):
        size *= max(1, int(most or least)) if len(most or least) < 5 else UNBOUNDED  # noqa: PLR2004 - the engine refuses more
        if size > UNBOUNDED:
            return UNBOUNDED
    return 1 + size // _PATTERN_CHARS_PER_UNIT


def patterns_of(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the patterns of a schema itself, not of its parts, with their keywords."""
    if isinstance(schema.get("pattern"), str):
        yield "pattern", schema["pattern"]
    named = schema.get("patternProperties")
    yield from (("patternProperties", pattern) for pattern in (named if isinstance(named, Mapping) else ()))


def subschemas(schema: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the path and value of a schema and all its parts that are schemas."""
    waiting: list[tuple[str, Any]] = [("", schema)]
    while waiting:
        path, one = waiting.pop()
        if isinstance(one, Mapping):
            yield path, one
            waiting += _parts(one, path)
        elif isinstance(one, list):
            waiting += [(f"{path}.{number}", part) for number, part in enumerate(one)]


def _parts(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Yield the path and value of each subschema, or list of them; names of properties are no keywords."""
    for keyword, part in schema.items():
        if keyword in _DATA:
            continue
        if keyword in _BY_NAME and isinstance(part, Mapping):
            yield from ((f"{path}.{keyword}.{name}", one) for name, one in part.items())
        else:
            yield f"{path}.{keyword}", part


class _Expansion:
    """Sizes of the subschemas of one schema, with references followed."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._sizes: dict[int, int] = {}

    def units(self, schema: Any) -> int:
        """Return the size of a subschema."""
        if isinstance(schema, list):
            return min(sum(map(self.units, schema)), UNBOUNDED)
        if not isinstance(schema, Mapping):
            return 1
        if id(schema) in self._sizes:
            return self._sizes[id(schema)]
        self._sizes[id(schema)] = UNBOUNDED  # what refers to itself has no bound
        size = 1 + sum(pattern_units(pattern) for _, pattern in patterns_of(schema))
        for keyword, part in schema.items():
            size += self._keyword_units(schema, keyword, part)
            if size >= UNBOUNDED:
                return UNBOUNDED
        self._sizes[id(schema)] = size
        return size

    def _keyword_units(self, schema: Any, keyword: str, part: Any) -> int:
        if keyword in _UNFOLLOWED or (keyword == "$id" and schema is not self._root):
            return UNBOUNDED  # an ``$id`` changes what the references below it mean
        if keyword in _DATA:
            return 1 + value_units(part, UNBOUNDED)
        if keyword in {"$defs", "definitions"}:
            return 0  # evaluated where a reference names them
        if keyword == "$ref":
            return self._target_units(part)
        size = 1
        if isinstance(part, Mapping) and keyword in _BY_NAME:
            size += sum(map(self.units, part.values()))
        elif isinstance(part, Mapping | list):
            size += self.units(part)
        return size

    def _target_units(self, reference: Any) -> int:
        if not isinstance(reference, str) or (reference != "#" and not reference.startswith("#/")):
            return UNBOUNDED
        found = self._root
        for step in reference.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                return UNBOUNDED
        return 1 + self.units(found)
