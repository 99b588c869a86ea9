"""Flyte's literals as JSON and back, for the four types that a condition can wait for; knows no action."""

import math
from typing import Any

import orjson
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.core.types_pb2 import LiteralType, SimpleType

from taskaction.core.constants import OUTPUT_LIMIT_BYTES

SIGNAL_TYPES = {
    SimpleType.BOOLEAN: "boolean",
    SimpleType.INTEGER: "integer",
    SimpleType.FLOAT: "number",
    SimpleType.STRING: "string",
}
_TYPES = {"boolean": "boolean", "integer": "integer", "float_value": "number", "string_value": "string"}
_INT64 = 2**63
_VALUE_BYTES = OUTPUT_LIMIT_BYTES - 1024
"""How large an answer may be: an action's output holds it, beside who has given it."""


def signal_type(declared: LiteralType) -> str:
    """Return a condition's type in the words of ``approval``; raises ``ConnectError`` where it can wait for no such."""
    found = SIGNAL_TYPES.get(declared.simple) if declared.WhichOneof("type") == "simple" else None
    if found is None:
        raise ConnectError(
            Code.INVALID_ARGUMENT, "condition.type: use one of the simple types BOOLEAN, INTEGER, FLOAT and STRING"
        )
    return found


def from_literal(literal: Literal) -> tuple[str, Any]:
    """Return type and value of a literal; raises ``ConnectError`` for other than the four types."""
    primitive = literal.scalar.primitive
    kind = primitive.WhichOneof("value") or ""
    if kind not in _TYPES:
        raise ConnectError(Code.INVALID_ARGUMENT, "value: use a boolean, integer, float or string")
    value = getattr(primitive, kind)
    if kind == "float_value" and not math.isfinite(value):
        raise ConnectError(
            Code.INVALID_ARGUMENT,
            "value.scalar.primitive.float_value: must be finite, because JSON has no other numbers",
        )
    size = len(orjson.dumps(value))
    if size > _VALUE_BYTES:
        raise ConnectError(
            Code.INVALID_ARGUMENT, f"value: {size} bytes as JSON exceed the limit of {_VALUE_BYTES}: send a shorter one"
        )
    return _TYPES[kind], value


def to_literal(kind: str, value: Any) -> Literal | None:
    """Return a value of ``kind`` as a literal, or None if it has another type."""
    literal = Literal()
    primitive = literal.scalar.primitive
    if kind == "boolean" and isinstance(value, bool):
        primitive.boolean = value
    elif kind == "integer" and isinstance(value, int) and -_INT64 <= value < _INT64:
        primitive.integer = value
    elif kind == "number" and isinstance(value, int | float):
        primitive.float_value = float(value)
    elif kind == "string" and isinstance(value, str):
        primitive.string_value = value
    else:
        return None
    return literal
