"""Validation of parameters by pydantic models and by JSON Schemas of providers; each problem names its field. Pure.

Users write the schemas, so remote references are refused and sizes are bounded. Schemas and values that are not cheap
belong into ``plugin.evaluation``.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property, reduce
from operator import getitem
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.exceptions import ValidationError as ValidationProblem
from pydantic import BaseModel, ValidationError
from referencing import Registry as Resources
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from taskaction.core.constants import NESTING_LIMIT
from taskaction.core.names import truncate
from taskaction.plugin.patterns import Validator, check_patterns
from taskaction.plugin.schema_cost import (
    CHEAP_SCHEMA_BYTES,
    CHEAP_SCHEMA_PARTS,
    CHEAP_UNITS,
    pattern_units,
    patterns_of,
    schema_parts,
    schema_units,
    subschemas,
    value_units,
)
from taskaction.plugin.secrets import Place, reveal, secrets_in

SCHEMA_LIMIT_BYTES = 64 * 1024
PROBLEMS_NAMED = 3
_LONGEST_PROBLEM = 200
_NO_REMOTES: Resources[Any] = Resources()
"""An empty registry that retrieves nothing: every reference must stay within the schema."""

NOT_SHOWN = "the value comes from a Secret and is not shown"
_NAMES_ONLY = frozenset({"required", "dependentRequired"})
"""Keywords whose messages name properties that the schema names."""
_WITHOUT_VALUES = _NAMES_ONLY | {
    "additionalProperties",
    "unevaluatedProperties",
    "const",
    "contains",
    "uniqueItems",
}
"""Keywords whose messages quote the schema and names of properties, but no value."""


class SchemaChecker:
    """JSON Schema that is known to be valid."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    def __reduce__(self) -> tuple[type["SchemaChecker"], tuple[Mapping[str, Any]]]:
        """Return the schema alone: a worker process compiles it again."""
        return type(self), (self._schema,)

    @cached_property
    def _validator(self) -> Any:
        return Validator(self._schema, registry=_NO_REMOTES)

    @cached_property
    def _units(self) -> int:
        return schema_units(self._schema)

    def is_cheap_for(self, value: object) -> bool:
        """Whether the event loop may check ``value``."""
        limit = CHEAP_UNITS // self._units
        return value_units(value, limit) <= limit

    def problem(self, value: object) -> str | None:
        """Return the problem of ``value``, or None if it is valid; it quotes no value."""
        return self.problem_of_plain(reveal(value), frozenset(place for place, _ in secrets_in(value)))

    def problem_of_plain(self, value: object, hidden: frozenset[Place]) -> str | None:
        """Return the problem of a value without naming what is within the places in ``hidden``."""
        try:
            error = best_match(self._validator.iter_errors(value))
        except (Unresolvable, RecursionError) as problem:
            return f"the schema cannot be applied: {problem}"
        if error is None:
            return None
        place: Place = tuple(error.absolute_path)
        message = _problem_text(error)
        if error.validator not in _NAMES_ONLY and any(one[: len(place)] == place for one in hidden):
            message = f"does not match the keyword {error.validator!r} of the schema ({NOT_SHOWN})"
        return f"{'.'.join(map(str, place))}: {message}" if place else message

    def certain_problems(self, value: object, unknown: type[object]) -> Iterator[tuple[tuple[int | str, ...], str]]:
        """Yield the path and text of each problem that stays whatever replaces the ``unknown`` parts of a value."""
        complete = not _contains_type(value, unknown)
        try:
            for error in self._validator.iter_errors(value):
                if complete or _is_certain(error, unknown):
                    yield tuple(error.absolute_path), _problem_text(error)
        except (Unresolvable, RecursionError):
            return  # the status of the provider reports the problem of its schema


def _problem_text(error: ValidationProblem) -> str:
    """Return a message without the value, which the messages of jsonschema begin with: it may be private."""
    text = error.message.removeprefix(repr(error.instance)).lstrip()
    if text == error.message and error.validator not in _WITHOUT_VALUES:
        keyword = error.validator
        text = f"does not match the keyword {keyword!r} of the schema" if keyword else "is not allowed by the schema"
    return _short(text)


_OF_THE_SHAPE = frozenset(
    {"required", "additionalProperties", "minProperties", "maxProperties", "minItems", "maxItems", "type"}
)
"""Keywords that depend on names and numbers of parts only, not on their values."""

_CONDITIONS = frozenset({"if", "then", "else", "not", "dependentSchemas"})


def _is_certain(error: ValidationProblem, unknown: type[object]) -> bool:
    """Whether an error stays although parts are unknown; the result of a condition may still change."""
    if isinstance(error.instance, unknown) or _CONDITIONS & set(error.absolute_schema_path):
        return False
    return error.validator in _OF_THE_SHAPE or not _contains_type(error.instance, unknown)


def _contains_type(value: object, unknown: type[object]) -> bool:
    if isinstance(value, Mapping):
        return any(_contains_type(one, unknown) for one in value.values())
    if isinstance(value, list):
        return any(_contains_type(one, unknown) for one in value)
    return isinstance(value, unknown)


_SCALARS = frozenset({str, int, float, bool, type(None)})


def nesting_problem(value: object, path: str) -> str | None:
    """Return the problem of a JSON value that is nested too deeply, or None."""
    level, parts = 0, [value]
    while parts:
        if level == NESTING_LIMIT:
            return f"{path}: is nested more than {NESTING_LIMIT} levels deep"
        below: list[object] = []
        for part in parts:
            if isinstance(part, dict):  # values from JSON: a check for Mapping takes ten times as long
                below += [one for one in part.values() if type(one) not in _SCALARS and one]
            elif isinstance(part, list | tuple):
                below += [one for one in part if type(one) not in _SCALARS and one]
        level, parts = level + 1, below
    return None


def compile_schema(schema: Mapping[str, Any] | None, path: str) -> SchemaChecker | None:
    """Return a checker for ``schema``, or None if that is None; ``path`` names the field in messages.

    Raises:
        ValueError: ``schema`` is not a JSON Schema of draft 2020-12, or too large.
    """
    if schema is None:
        return None
    check_schema_size(schema, path)
    try:
        Draft202012Validator.check_schema(schema)
        _check_references(schema, path)
        check_patterns(schema, path)
    except SchemaError as error:
        where = ".".join(str(part) for part in error.absolute_path)
        raise ValueError(f"{path}{'.' + where if where else ''}: {_short(error.message)}") from error
    except RecursionError as error:
        raise ValueError(f"{path}: is nested too deeply") from error
    return SchemaChecker(schema)


def schema_problem(schema: Mapping[str, Any], path: str) -> str | None:
    """Return why ``schema`` cannot be compiled, or None."""
    try:
        compile_schema(schema, path)
    except ValueError as error:
        return str(error)
    return None


def check_schema_size(schema: Mapping[str, Any], path: str) -> int:
    """Return the size of a schema in bytes; raise ``ValueError`` if it is too large or nested too deeply."""
    try:
        size = len(orjson.dumps(schema))
    except TypeError as error:  # orjson refuses to serialize deeper values
        raise ValueError(f"{path}: is nested too deeply") from error
    if size > SCHEMA_LIMIT_BYTES:
        raise ValueError(f"{path}: has {size} bytes; at most {SCHEMA_LIMIT_BYTES} are allowed")
    return size


def is_cheap_schema(schema: Mapping[str, Any], path: str) -> bool:
    """Whether the event loop may compile ``schema``; raise ``ValueError`` if nobody may."""
    if check_schema_size(schema, path) > CHEAP_SCHEMA_BYTES or schema_parts(schema) > CHEAP_SCHEMA_PARTS:
        return False
    patterns = (pattern for _, part in subschemas(schema) for _, pattern in patterns_of(part))
    return sum(map(pattern_units, patterns)) <= CHEAP_UNITS


def model_problem(model: type[BaseModel], value: object, path: str) -> str | None:
    """Return the problems of ``value`` by a pydantic model, or None if it is valid; they quote no ``Secret``."""
    return model_problem_of_plain(model, reveal(value), path, frozenset(place for place, _ in secrets_in(value)))


def model_problem_of_plain(model: type[BaseModel], value: object, path: str, hidden: frozenset[Place]) -> str | None:
    """Return the problems of a value without quoting what is at the places in ``hidden``."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        named = [
            _format_problem(path, problem["loc"], _hide_values(value, hidden, problem["loc"], problem["msg"]))
            for problem in found[:PROBLEMS_NAMED]
        ]
        more = f" (and {len(found) - PROBLEMS_NAMED} more)" if len(found) > PROBLEMS_NAMED else ""
        return "; ".join(named) + more
    return None


def _check_references(schema: Mapping[str, Any], path: str) -> None:
    """Raise for references that leave the schema or resolve to nothing: they would fail only at validation."""
    resolver = _NO_REMOTES.with_resource("", DRAFT202012.create_resource(schema)).resolver()
    for reference in _references(schema):
        if not reference.startswith("#"):
            raise ValueError(f"{path}: reference {_short(reference)!r} leaves the schema; start it with '#'")
        try:
            resolver.lookup(reference)
        except Unresolvable as error:
            raise ValueError(f"{path}: reference {_short(reference)!r} does not exist in the schema") from error


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for key in ("$ref", "$dynamicRef"):
            if isinstance(schema.get(key), str):
                yield schema[key]
        for part in schema.values():
            yield from _references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _references(part)


def _hide_values(value: Any, hidden: frozenset[Place], location: Place, message: str) -> str:
    """Return a message of pydantic, or of a validator, which may quote what it refuses."""
    found = [str(reduce(getitem, place, value)) for place in hidden if place[: len(location)] == location]
    hides = any(text in message or repr(text)[1:-1] in message for text in found)
    return f"is not valid ({NOT_SHOWN})" if hides else message


def _format_problem(path: str, location: tuple[int | str, ...], message: str) -> str:
    return f"{'.'.join([path, *(str(part) for part in location)])}: {_short(message.removeprefix('Value error, '))}"


def _short(message: str) -> str:
    return truncate(message, _LONGEST_PROBLEM)
