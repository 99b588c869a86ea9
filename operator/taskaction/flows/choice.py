"""Comparisons of Choice states: the 39 operators of Amazon States Language.

If a value has another type than the operator's, the comparison is false, not an error.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from taskaction.flows.errors import ExpressionError, RunTimeError
from taskaction.flows.paths import Path, parse_reference_path
from taskaction.flows.scope import EvaluationScope

Comparison = Callable[[Any, Any], bool]

_ORDERS: Mapping[str, Comparison] = {
    "Equals": lambda left, right: left == right,
    "LessThan": lambda left, right: left < right,
    "GreaterThan": lambda left, right: left > right,
    "LessThanEquals": lambda left, right: left <= right,
    "GreaterThanEquals": lambda left, right: left >= right,
}


def parse_timestamp(value: Any) -> datetime | None:
    """Return an RFC 3339 time, or None if the value is not one."""
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        return None


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:[0-5]\d)")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


_TYPES: Mapping[str, Callable[[Any], Any]] = {
    "String": _text,
    "Numeric": _number,
    "Timestamp": parse_timestamp,
    "Boolean": _boolean,
}
_EXAMPLES = {
    "String": "a string",
    "Numeric": "a number",
    "Timestamp": "an RFC 3339 time such as 2026-01-31T12:00:00Z",
    "Boolean": "true or false",
}
_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "IsNull": lambda value: value is None,
    "IsNumeric": lambda value: _number(value) is not None,
    "IsString": lambda value: isinstance(value, str),
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": lambda value: parse_timestamp(value) is not None,
}
_COMPARISONS: Mapping[str, tuple[str, Comparison]] = {
    f"{kind}{order}": (kind, compare)
    for kind in _TYPES
    for order, compare in _ORDERS.items()
    if kind != "Boolean" or order == "Equals"
}
IS_PRESENT = "IsPresent"
COMPARISON_UNITS = 10
"""Cost of one comparison."""

STRING_MATCHES = "StringMatches"
OPERATORS = frozenset({*_COMPARISONS, *(f"{name}Path" for name in _COMPARISONS), *_KINDS, IS_PRESENT, STRING_MATCHES})
"""Names of all 39 operators."""


@dataclass(frozen=True, slots=True, eq=False)
class ValueComparison:
    """Comparison of a value in the state of the flow.

    Attributes:
        operand: the other value; a path if the operator's name ends with ``Path``.
    """

    variable: Path
    operator: str
    operand: Any

    def holds(self, scope: EvaluationScope) -> bool:
        """Whether the comparison is true.

        Raises:
            RunTimeError: a required path does not exist.
        """
        found = self.variable.find(scope)
        scope.budget.charge(COMPARISON_UNITS)
        if self.operator == IS_PRESENT:
            return bool((found is not None) == self.operand)
        if found is None:
            raise RunTimeError(f"{self.variable.text} does not exist in the state of the flow; check IsPresent first")
        value = found[0]
        if self.operator in _KINDS:
            return bool(_KINDS[self.operator](value) == self.operand)
        if self.operator == STRING_MATCHES:
            if not isinstance(value, str):
                return False
            scope.budget.charge(len(value))
            return compile_pattern(self.operand).fullmatch(value) is not None
        kind, compare = _COMPARISONS[self.operator.removesuffix("Path")]
        operand = self.operand.read(scope) if isinstance(self.operand, Path) else self.operand
        left, right = _TYPES[kind](value), _TYPES[kind](operand)
        return left is not None and right is not None and compare(left, right)


def parse_comparison(variable: str, operator: str, operand: Any) -> ValueComparison:
    """Parse one comparison.

    Raises:
        ExpressionError: the operand is not valid for the operator.
    """
    if operator.endswith("Path"):
        if not isinstance(operand, str):
            raise ExpressionError(f"{operator} requires a path such as $.name")
        return ValueComparison(parse_reference_path(variable), operator, parse_reference_path(operand))
    if operator in _KINDS or operator == IS_PRESENT:
        kind = "Boolean"
    else:
        kind = "String" if operator == STRING_MATCHES else _COMPARISONS[operator][0]
    if _TYPES[kind](operand) is None:
        raise ExpressionError(f"{operator} requires {_EXAMPLES[kind]}")
    return ValueComparison(parse_reference_path(variable), operator, operand)


@lru_cache(maxsize=1024)
def compile_pattern(text: str) -> re.Pattern[str]:
    r"""Return the pattern of ``StringMatches``: ``*`` matches anything, ``\*`` a star, ``\\`` a backslash.

    Each ``*`` matches as little as possible without backtracking, so that no text makes it slow.
    """
    parts: list[str] = [""]
    at = 0
    while at < len(text):
        if text[at] == "\\" and text[at + 1 : at + 2] in {"*", "\\"}:
            parts[-1] += text[at + 1]
            at += 2
            continue
        if text[at] == "*":
            parts.append("")
        else:
            parts[-1] += text[at]
        at += 1
    first, *rest = parts
    if not rest:
        return re.compile(re.escape(first), re.DOTALL)
    *middle, last = rest
    found = "".join(f"(?>.*?{re.escape(part)})" for part in middle if part)
    return re.compile(f"{re.escape(first)}{found}.*{re.escape(last)}", re.DOTALL)
