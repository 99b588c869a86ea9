"""What `Retry` and `Catch` of a state say about an error; pure."""

from collections.abc import Mapping
from typing import Any

import orjson

from taskaction.flows import definition as words
from taskaction.flows import errors
from taskaction.flows.errors import StateError
from taskaction.flows.program import Node


def retry_delay(retrier: words.StateRetrier, used: int) -> float:
    """Return the seconds before the next retry; an overflow counts as the maximum delay."""
    try:
        return min(retrier.interval_seconds * retrier.backoff_rate**used, retrier.max_delay_seconds)
    except OverflowError:
        return retrier.max_delay_seconds


def matches_error(named: frozenset[str], error: StateError, node: Node) -> bool:
    """Whether a rule that names these errors applies to an error of a state."""
    if error.name in named or error.also in named:
        return True
    if errors.BRANCH_FAILED in named and node.state.type == "Parallel":
        return True
    return errors.ALL in named and error.name not in errors.UNCATCHABLE_BY_ALL


def error_document(error: StateError) -> dict[str, Any]:
    """Return the value at a handler's ResultPath: name and cause as text, and for an action its last status."""
    if not isinstance(error.cause, Mapping):
        return {"Error": error.name, "Cause": _as_text(error.cause)}
    details = error.cause.get("details", error.cause)
    described = details.get("description") if isinstance(details, Mapping) else None
    return {**error.cause, "Error": error.name, "Cause": _as_text(details if described is None else described)}


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()
