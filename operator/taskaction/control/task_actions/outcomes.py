"""What of an executor's result can be recorded; pure."""

from dataclasses import replace
from typing import Any

import orjson

from taskaction.api.enums import ErrorKind
from taskaction.api.reasons import Reason
from taskaction.cluster.errors import InvalidError, TooLargeError
from taskaction.control.objects.outputs import OutputLimit
from taskaction.core.constants import OUTPUT_LIMIT_BYTES
from taskaction.core.json_values import value_problem
from taskaction.lifecycle.outcomes import (
    Failed,
    Limited,
    Outcome,
    OutputReference,
    Paused,
    Pending,
    Succeeded,
    Work,
)
from taskaction.plugin.json_schema import nesting_problem
from taskaction.plugin.secrets import Secret
from taskaction.plugin.storage import STORAGE_SETTING, StorageDeniedError


def to_outcome(result: object, limit: OutputLimit, external_id: str | None = None) -> Outcome:
    """Return what an executor returned if it can be recorded, otherwise a failure that says what is invalid.

    ``external_id`` is the target's id of the attempt, as far as it is known.
    """
    if not isinstance(result, Succeeded | Pending | Paused | Failed | Limited):
        return Failed(
            code=Reason.NO_RESULT_REPORTED,
            message=f"the executor returned {type(result).__name__}, which is not an outcome",
            kind=ErrorKind.SYSTEM,
            retry_class=None,
            work=Work.UNKNOWN,
        )
    if isinstance(result, Limited) or result.output is None:
        return result
    size = _size_of(result.output)
    if isinstance(result, Pending | Paused):  # the work continues, whatever the target says of it
        return result if isinstance(size, int) and size <= OUTPUT_LIMIT_BYTES else replace(result, output=None)
    if isinstance(size, Failed):
        return size if isinstance(result, Succeeded) else replace(result, output=None)
    if size <= limit.size:
        return result
    problem = f"the output has {size} bytes, more than the limit of {limit.size} bytes: {limit.remedy}"
    return _without_output(result, size, problem, result.external_id or external_id)


def denied_outcome(result: Succeeded | Failed, size: int, error: StorageDeniedError, external_id: str | None) -> Failed:
    """Return the end of an attempt whose output of ``size`` bytes the storage does not let the operator write."""
    problem = f"the output has {size} bytes and cannot be stored: {error}; permit writing to {STORAGE_SETTING}"
    return _without_output(result, size, problem, result.external_id or external_id)


def refused_edit_failure(error: InvalidError) -> Failed:
    """Return the failure of an action whose object cannot take what must be in it before the start."""
    too_large = isinstance(error, TooLargeError)
    return Failed(
        code=Reason.OBJECT_TOO_LARGE if too_large else Reason.SYSTEM_ERROR,
        message=f"the API server refused the finalizer or the owner of the action: {error}",
        kind=ErrorKind.USER if too_large else ErrorKind.SYSTEM,
        retry_class=None,
        work=Work.UNCHANGED,
    )


def _without_output(result: Succeeded | Failed, size: int, problem: str, external_id: str | None) -> Failed:
    """Return the end of an attempt whose output cannot be kept; the target still has it, so nothing is released."""
    left = f"; it is not released at the target, where its id is {external_id!r}" if external_id else ""
    message = f"{problem}{left}"
    at = OutputReference(size=size)
    if isinstance(result, Failed):
        return replace(result, output=None, output_at=at, message=f"{result.message} ({message})")
    return Failed(
        code=Reason.OUTPUT_TOO_LARGE,
        message=f"the action succeeded, but {message}",
        retry_class=None,  # a retry would have a second effect
        output_at=at,
        external_id=external_id,
    )


def _size_of(output: Any) -> int | Failed:
    """Return the size of an output as JSON, or why it has none."""
    if (nested := nesting_problem(output, "the output")) is not None:
        return Failed(code=Reason.INVALID_OUTPUT, message=nested, retry_class=None)
    if (changed := value_problem(output, "output")) is not None:
        return Failed(code=Reason.INVALID_OUTPUT, message=changed, retry_class=None)
    try:
        return len(orjson.dumps(output, default=_dump_secret))
    except (TypeError, RecursionError) as error:
        return Failed(code=Reason.INVALID_OUTPUT, message=f"the output is not valid JSON: {error}", retry_class=None)


def _dump_secret(value: object) -> str:
    """Return the text that will be recorded instead of a value from a Secret."""
    if isinstance(value, Secret):
        return str(value)
    raise TypeError(f"type is not JSON serializable: {type(value).__name__}")
