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
from taskaction.plugin.errors import InvalidParametersError
from taskaction.plugin.evaluation import Evaluator
from taskaction.plugin.json_schema import compile_schema, is_cheap_schema
from taskaction.plugin.parameters import Parameters
from taskaction.plugin.toolbox import Toolbox


class SignalType(StrEnum):
    """Type of the value that the action waits for, as JSON Schema names it."""

    BOOLEAN = "boolean"
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    OBJECT = "object"
    ARRAY = "array"
    ANY = "any"


class PromptType(StrEnum):
    """How to show the texts of a question."""

    TEXT = "Text"
    MARKDOWN = "Markdown"


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
    prompt_type: PromptType = PromptType.TEXT
    """How to show the question and the description: Text or Markdown. Default Text."""
    title: Annotated[str, Field(max_length=253)] = ""
    """The name of the decision, for people and programs that show it."""
    description: Annotated[str, Field(max_length=4096)] = ""
    """What the person should know before the answer."""
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
        if self.value_schema is None or not is_cheap_schema(self.value_schema, "schema"):
            return self  # the executor compiles it within a budget
        checker = compile_schema(self.value_schema, "schema")
        if self.default is None or checker is None or not checker.is_cheap_for(self.default):
            return self
        if (problem := checker.problem(self.default)) is not None:
            raise ValueError(f"default: {problem}")
        return self


class ApprovalExecutor(AbstractExecutor):
    """Executor that pauses until somebody with the verb ``signal`` sends a value."""

    ACTION_NAME = "approval"
    ACCEPTS_SECRETS = False
    PARAMETERS = ApprovalParameters
    IDEMPOTENT = True
    TAKES_REPORTS = False

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    @classmethod
    def build(cls, toolbox: Toolbox) -> "ApprovalExecutor":
        """Create the executor with the evaluator of the process."""
        return cls(toolbox.evaluator)

    async def execute(self, run: Run) -> Outcome:
        """Succeed with the value of the signal if there is one and it is valid; otherwise pause."""
        parameters = ApprovalParameters.model_validate(run.parameters)
        if run.signal is not None:
            return await self._signal_outcome(parameters, run.signal, run)
        if parameters.default is not None:
            problem = await self._schema_problem(parameters, parameters.default, run)
            if problem is not None:
                raise InvalidParametersError(f"spec.parameters.default: {problem}")
        return _wait_for_signal(parameters, parameters.prompt, run)

    async def _signal_outcome(self, parameters: ApprovalParameters, signal: Signal, run: Run) -> Outcome:
        problem = _type_problem(parameters, signal.value) or await self._schema_problem(parameters, signal.value, run)
        if problem is not None:
            return _wait_for_signal(parameters, f"{parameters.prompt} (the last signal was refused: {problem})", run)
        if parameters.fail_on_reject and signal.value is False:
            return _rejection(f" by {signal.by}" if signal.by else "")
        at = format_time(signal.at) if signal.at is not None else None
        return Succeeded(output={"value": signal.value, "by": signal.by, "at": at})

    async def _schema_problem(self, parameters: ApprovalParameters, value: object, run: Run) -> str | None:
        """Return what the schema says against a value."""
        what = "spec.parameters.schema"
        try:
            checker = await self._evaluator.compile_schema(run.namespace, parameters.value_schema, what)
        except ValueError as error:
            raise InvalidParametersError(str(error)) from error
        return None if checker is None else await self._evaluator.find_problem(run.namespace, checker, value, what)


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


def _type_problem(parameters: ApprovalParameters, value: object) -> str | None:
    if _FITS[parameters.type](value):
        return None
    return f"expected {parameters.type}, got {type(value).__name__}"
