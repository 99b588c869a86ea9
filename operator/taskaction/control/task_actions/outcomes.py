"""What of an executor's result can be recorded; pure."""

from dataclasses import replace
from typing import Any

import orjson

from taskaction.api.enums import ErrorKind
from taskaction.api.reasons import Reason
from taskaction.core.constants import OUTPUT_LIMIT_BYTES
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded
from taskaction.plugin.json_schema import nesting_problem
from taskaction.plugin.secrets import Secret


def to_outcome(result: object) -> Outcome:
    """Return what an executor returned if it can be recorded, otherwise a failure that says what is invalid."""
    if not isinstance(result, Succeeded | Pending | Paused | Failed | Limited):
        return Failed(
            code=Reason.NO_RESULT_REPORTED,
            message=f"the executor returned {type(result).__name__}, which is not an outcome",
            kind=ErrorKind.SYSTEM,
            retry_class=None,
        )
    if not isinstance(result, Succeeded | Failed) or (problem := _output_problem(result.output)) is None:
        return result
    return problem if isinstance(result, Succeeded) else replace(result, output=None)


def _output_problem(output: Any) -> Failed | None:
    if (nested := nesting_problem(output, "the output")) is not None:
        return Failed(code=Reason.INVALID_OUTPUT, message=nested, retry_class=None)
    try:
        size = len(orjson.dumps(output, default=_dump_secret))
    except (TypeError, RecursionError) as error:
        return Failed(code=Reason.INVALID_OUTPUT, message=f"the output is not valid JSON: {error}", retry_class=None)
    if size <= OUTPUT_LIMIT_BYTES:
        return None
    message = (
        f"the output has {size} bytes, more than the limit of {OUTPUT_LIMIT_BYTES} bytes; "
        "store it elsewhere and return its address"
    )
    return Failed(code=Reason.OUTPUT_TOO_LARGE, message=message, retry_class=None)


def _dump_secret(value: object) -> str:
    """Return the text that will be recorded instead of a value from a Secret."""
    if isinstance(value, Secret):
        return str(value)
    raise TypeError(f"type is not JSON serializable: {type(value).__name__}")
