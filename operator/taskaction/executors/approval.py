"""``approval``: waits for ``spec.signal`` of a declared type, with prompt, timeout and default."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from taskaction.api.base import Duration, JsonObject, format_time
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Signal
from taskaction.lifecycle.outcomes import Failed, Outcome, Paused, Succeeded
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.json_schema import compile_schema
from taskaction.plugin.parameters import Parameters


class SignalType(StrEnum):
    """Type of the value that the action waits for, as JSON Schema names it."""

    BOOLEAN = "boolean"
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    OBJECT = "object"
    ARRAY = "array"
    ANY = "any"


_FITS: dict[SignalType, Callable[[Any], bool]] = {
    SignalType.BOOLEAN: lambda value: isinstance(value, bool),
    SignalType.STRING: lambda value: isinstance(value, str),
    SignalType.INTEGER: lambda value: isinstance(value, int) and not isinstance(value, bool),
    SignalType.NUMBER: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    SignalType.OBJECT: lambda value: isinstance(value, dict),
    SignalType.ARRAY: lambda value: isinstance(value, list),
    SignalType.ANY: lambda _: True,
}


class ApprovalParameters(Parameters):
    """Parameters of ``approval``."""

    prompt: Annotated[str, Field(max_length=900)] = "waits for a signal"
    """The question to the person who approves."""
    type: SignalType = SignalType.BOOLEAN
    """The type of the value. Default boolean."""
    value_schema: Annotated[JsonObject | None, Field(alias="schema")] = None
    """A JSON Schema that the value must also satisfy."""
    fail_on_reject: bool = False
    """Whether the value false fails the action with code Rejected."""
    timeout: Duration | None = None
    """The time to wait. Default: as long as the timeouts of the action allow."""
    default: Any = None
    """The value after the timeout. Without a default, the action fails with code ApprovalTimeout."""

    @model_validator(mode="after")
    def _default_fits(self) -> Self:
        if self.default is not None and not _FITS[self.type](self.default):
            raise ValueError(f"default: is not of type {self.type}")
        checker = compile_schema(self.value_schema, "schema")
        if checker is not None and self.default is not None and (problem := checker.problem(self.default)) is not None:
            raise ValueError(f"default: {problem}")
        return self


class ApprovalExecutor(AbstractExecutor):
    """Executor that pauses until somebody with the verb ``signal`` sends a value."""

    ACTION_NAME = "approval"
    PARAMETERS = ApprovalParameters
    IDEMPOTENT = True

    async def execute(self, run: Run) -> Outcome:
        """Succeed with the value of the signal if there is one and it is valid; otherwise pause."""
        parameters = ApprovalParameters.model_validate(run.parameters)
        if run.signal is not None:
            return _signal_outcome(parameters, run.signal, run)
        return _wait_for_signal(parameters, parameters.prompt, run)


def _signal_outcome(parameters: ApprovalParameters, signal: Signal, run: Run) -> Outcome:
    if (problem := _problem(parameters, signal.value)) is not None:
        return _wait_for_signal(parameters, f"{parameters.prompt} (the last signal was refused: {problem})", run)
    if parameters.fail_on_reject and signal.value is False:
        return _rejection(f" by {signal.by}" if signal.by else "")
    at = format_time(signal.at) if signal.at is not None else None
    return Succeeded(output={"value": signal.value, "by": signal.by, "at": at})


def _wait_for_signal(parameters: ApprovalParameters, message: str, run: Run) -> Outcome:
    if parameters.timeout is None:
        return Paused(message=message, reason=Reason.WAITING_FOR_SIGNAL)
    left = (run.started_at + parameters.timeout - run.now).total_seconds()
    if left > 0:
        return Paused(message=message, reason=Reason.WAITING_FOR_SIGNAL, poll_after=left)
    if parameters.default is None:
        return Failed(
            code="ApprovalTimeout", message=f"no signal before the timeout: {parameters.prompt}", retry_class=None
        )
    if parameters.fail_on_reject and parameters.default is False:
        return _rejection(": no signal before the timeout, and the default is false")
    return Succeeded(
        output={"value": parameters.default, "by": None, "at": None},
        message="no signal before the timeout; used the default",
    )


def _rejection(how: str) -> Failed:
    return Failed(code="Rejected", message=f"rejected{how}", retry_class=None)


def _problem(parameters: ApprovalParameters, value: object) -> str | None:
    if not _FITS[parameters.type](value):
        return f"expected {parameters.type}, got {type(value).__name__}"
    checker = compile_schema(parameters.value_schema, "schema")
    return checker.problem(value) if checker is not None else None
