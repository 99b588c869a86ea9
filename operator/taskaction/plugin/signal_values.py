"""Values of signals as people write them, in the type that a waiting action expects; pure."""

from collections.abc import Mapping
from typing import Any

from taskaction.api.bodies import at
from taskaction.core.errors import TaskActionError
from taskaction.core.json_values import NOT_NUMBERS, JsonValueError, check_value, parse_text
from taskaction.plugin.json_schema import nesting_problem

_BOOLEANS = {"yes": True, "y": True, "true": True, "approve": True, "no": False, "n": False, "false": False}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "object": dict,
    "array": list,
}


class SignalValueError(TaskActionError):
    """A text is no value that the action can take; the message says what it takes."""


def wanted_type(body: Mapping[str, Any]) -> str:
    """Return the JSON type that an action waits for; ``any`` if it does not say."""
    return str(at(body, "spec.parameters.type", "boolean")) if at(body, "spec.executor") == "approval" else "any"


def parse_signal_value(body: Mapping[str, Any], text: str) -> Any:
    """Parse a signal's value to the type that an approval expects.

    Raises:
        SignalValueError: the type is wrong; the API server would accept the value, and the action would keep waiting.
    """
    name, wanted = body["metadata"]["name"], wanted_type(body)
    if wanted == "boolean":
        found = _BOOLEANS.get(text.lower())
        if found is None:
            raise SignalValueError(f"{name} expects yes or no, not {text!r}")
        return found
    given = text if wanted == "string" else parse_json_or_text(text, "value")
    expected = _TYPES.get(wanted)
    if expected is not None and (not isinstance(given, expected) or isinstance(given, bool)):
        raise SignalValueError(f"{name} expects a value of type {wanted}, not {text!r}")
    return given


def parse_json_or_text(text: str, field: str) -> Any:
    """Parse the value of ``field``: JSON if it is valid JSON, otherwise the text itself.

    Raises:
        SignalValueError: the value would not arrive unchanged; the message names the field.
    """
    if text.strip() in NOT_NUMBERS:
        raise SignalValueError(
            f"{field}: {text.strip()} is not a JSON number; write null, or the word in double quotes"
        )
    try:
        found = parse_text(text)
        check_value(found)
    except JsonValueError as error:
        raise SignalValueError(error.under(field)) from error
    if (problem := nesting_problem(found, field)) is not None:
        raise SignalValueError(problem)
    return found
