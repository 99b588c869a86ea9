"""Keywords of users' JSON Schemas in linear time: one value can keep Python's own patterns busy for hours.

pydantic brings Rust's engine. It has no look-around and no back-references, so schemas that use them are refused.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError as Problem
from jsonschema.validators import extend
from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from taskaction.plugin.schema_cost import patterns_of, subschemas


def check_patterns(schema: object, path: str) -> None:
    """Raise a ``ValueError`` that names the first pattern that is invalid or cannot be matched in linear time."""
    for place, part in subschemas(schema):
        for keyword, pattern in patterns_of(part):
            try:
                _compile(pattern)
            except ValueError as error:
                raise ValueError(f"{path}{place}.{keyword}: {error}") from error
        if "unevaluatedProperties" in part and "patternProperties" in part:
            raise ValueError(
                f"{path}{place}.unevaluatedProperties: not supported next to patternProperties; "
                "use additionalProperties"
            )


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> TypeAdapter[str]:
    try:
        return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    except SchemaError as error:
        why = str(error).strip().rpartition("error: ")[2]
        remedy = "; patterns are matched in linear time: write it without" if "not supported" in why else ""
        raise ValueError(f"invalid pattern {pattern[:80]!r}: {why}{remedy}") from error


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


def _unique_items(validator: Any, unique: Any, instance: Any, _: Mapping[str, Any]) -> Iterator[Problem]:
    """Compare items by their canonical text: comparing each with each takes hours for an ordinary list of objects."""
    if not unique or not validator.is_type(instance, "array"):
        return
    seen: set[str] = set()
    for number, item in enumerate(instance):
        text = json.dumps(_with_equal_numbers(item), sort_keys=True)
        if text in seen:
            yield Problem(f"item {number} is not unique")
            return
        seen.add(text)


def _with_equal_numbers(value: Any) -> Any:
    """Return a value in which equal numbers have the same text."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _with_equal_numbers(part) for name, part in value.items()}
    return [_with_equal_numbers(part) for part in value] if isinstance(value, list) else value


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
        "uniqueItems": _unique_items,
    },
)
"""Draft 2020-12, with patterns and ``uniqueItems`` in linear time."""
