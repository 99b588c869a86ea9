"""Patterns of users' JSON Schemas, matched in linear time: one value can keep Python's own engine busy for hours.

pydantic brings Rust's engine. It has no look-around and no back-references, so schemas that use them are refused.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError as Problem
from jsonschema.validators import extend
from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

_DATA = frozenset({"const", "enum", "default", "examples"})
"""Keywords whose values are not schemas."""


def check_patterns(schema: object) -> None:
    """Raise a ``ValueError`` that names the first pattern that is invalid or cannot be matched in linear time."""
    if isinstance(schema, Mapping):
        found = schema.get("patternProperties")
        named = list(found) if isinstance(found, Mapping) else []
        if isinstance(schema.get("pattern"), str):
            named.append(schema["pattern"])
        for pattern in named:
            _compile(pattern)
        if named and "unevaluatedProperties" in schema:
            raise ValueError("unevaluatedProperties next to patterns is not supported; use additionalProperties")
        for keyword, part in schema.items():
            if keyword not in _DATA:
                check_patterns(part)
    elif isinstance(schema, list):
        for part in schema:
            check_patterns(part)


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> TypeAdapter[str]:
    try:
        return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    except SchemaError as error:
        why = str(error).strip().rpartition("error: ")[2]
        raise ValueError(f"invalid pattern {pattern[:80]!r}: {why}") from error


def matches(pattern: str, text: str) -> bool:
    """Whether ``text`` contains a match of ``pattern``."""
    try:
        _compile(pattern).validate_python(text)
    except ValidationError:
        return False
    return True


def _pattern(validator: Any, pattern: str, instance: Any, _: Mapping[str, Any]) -> Iterator[Problem]:
    if validator.is_type(instance, "string") and not matches(pattern, instance):
        yield Problem(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, _: Mapping[str, Any]
) -> Iterator[Problem]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, schema in patterns.items():
        for name, value in instance.items():
            if matches(pattern, name):
                yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[Problem]:
    if not validator.is_type(instance, "object"):
        return
    patterns = schema.get("patternProperties", {})
    for name, value in instance.items():
        if name in schema.get("properties", {}) or any(matches(pattern, name) for pattern in patterns):
            continue
        if validator.is_type(allowed, "object"):
            yield from validator.descend(value, allowed, path=name)
        elif not allowed:
            known = ", ".join(sorted([*schema.get("properties", {}), *patterns]))
            yield Problem(f"unknown property {name!r}" + (f"; known properties: {known}" if known else ""))


Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    },
)
"""Draft 2020-12, with patterns in linear time."""
