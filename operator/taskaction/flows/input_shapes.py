"""Shape of the input of a run, by the ``inputSchema`` of the flow; what a schema does not rule out is possible."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from taskaction.flows.shapes import ANY, MAX_DEPTH, MAX_FIELDS, OBJECT, JsonType, Shape

_KINDS = {
    "object": JsonType.OBJECT,
    "array": JsonType.LIST,
    "string": JsonType.STRING,
    "number": JsonType.NUMBER,
    "integer": JsonType.NUMBER,
    "boolean": JsonType.BOOLEAN,
    "null": JsonType.NULL,
}


def shape_of_input(schema: Any) -> Shape:
    """Return the shape of the input, which is an object in any case."""
    return replace(_shape_of(schema, 0), kinds=OBJECT.kinds)


def _shape_of(schema: Any, depth: int) -> Shape:
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH or "$ref" in schema or "$dynamicRef" in schema:
        return ANY
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping) or len(properties) > MAX_FIELDS:
        return ANY
    is_open = schema.get("additionalProperties", True) is not False or "patternProperties" in schema
    return Shape(
        _kinds_of(schema.get("type")),
        {str(name): _shape_of(one, depth + 1) for name, one in properties.items()},
        is_open,
        _shape_of(schema.get("items"), depth + 1) if "prefixItems" not in schema else None,
    )


def _kinds_of(written: Any) -> frozenset[JsonType]:
    names = written if isinstance(written, list) else [written]
    found = {_KINDS.get(str(name)) for name in names}
    return frozenset(JsonType) if None in found or not found else frozenset(one for one in found if one is not None)
