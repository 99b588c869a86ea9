"""Models of a flow definition: states and their fields; transitions are checked elsewhere.

Names and rules are those of Globus Flows. Extensions are listed in ``SUPERSET_STATES`` and ``SUPERSET_FIELDS``, so that
they can be rejected for definitions that must remain portable. See docs/flows-language.md.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_pascal

from taskaction.flows.errors import KNOWN_RESERVED, RESERVED, Problem, child_path

YEAR = 31_536_000
"""Maximum wait, in seconds."""

DEFAULT_WAIT_TIME = 300
MAX_CONCURRENCY = 10_000
"""Maximum number of items of a Map at the same time."""

LIMITS = ("max_concurrency", "tolerated_failure_count", "tolerated_failure_percentage")
"""Fields of a Map that may be in the state of the flow instead."""

SUPERSET_STATES = frozenset({"Parallel", "Map"})
SUPERSET_FIELDS = frozenset({"Retry", "TimeoutSeconds", "Inline"})

Text = Annotated[str, Field(min_length=1, max_length=1000)]
StateName = Annotated[str, Field(min_length=1, max_length=128)]
Seconds = Annotated[int, Field(ge=0, le=YEAR)]


class DefinitionModel(BaseModel):
    """Base of all models of a definition: field names as in Globus Flows, no unknown fields."""

    model_config = ConfigDict(alias_generator=to_pascal, extra="forbid", frozen=True, strict=True)


def _known_error(name: str) -> str:
    if name.startswith(RESERVED) and name not in KNOWN_RESERVED:
        raise ValueError(f"unknown error {name!r}; use one of {', '.join(sorted(KNOWN_RESERVED))}")
    return name


ErrorName = Annotated[Text, AfterValidator(_known_error)]
Errors = Annotated[list[ErrorName], Field(min_length=1, max_length=100)]


class Commented(DefinitionModel):
    """Part of a definition that may have a comment."""

    comment: str | None = None


class Catcher(Commented):
    """State with which the run continues if a state fails with one of the errors."""

    error_equals: Errors
    next: StateName
    result_path: str | None = "$"


class StateRetrier(Commented):
    """Retry policy of a state; fields and defaults of Amazon States Language (extension)."""

    error_equals: Errors
    interval_seconds: Annotated[int, Field(ge=1, le=YEAR)] = 1
    max_attempts: Annotated[int, Field(ge=0, le=1_000)] = 3
    backoff_rate: Annotated[float, Field(ge=1, le=100, strict=False)] = 2.0
    max_delay_seconds: Annotated[int, Field(ge=1, le=YEAR)] = YEAR
    jitter_strategy: Literal["FULL", "NONE"] = "NONE"


class Handler(DefinitionModel):
    """Reference to an Action Provider; the newer form."""

    type: Literal["ActionProvider"]
    url: Text
    scope: Text | None = None


class State(Commented):
    """Fields of every state."""


class TransitionState(State):
    """State after which the run continues or succeeds."""

    next: StateName | None = None
    end: bool | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "TransitionState":
        if (self.next is None) == (not self.end):
            raise ValueError("set either Next, the name of a state, or End: true")
        return self


class DataState(TransitionState):
    """State with an input and a result."""

    input_path: str | None = None
    parameters: dict[str, Any] | None = None
    result_path: str | None = "$"

    @model_validator(mode="after")
    def _one_input(self) -> "DataState":
        if self.input_path is not None and self.parameters is not None:
            raise ValueError("set either Parameters or InputPath, not both")
        return self


class CatchingState(DataState):
    """State with handlers for its errors."""

    catch: Annotated[list[Catcher], Field(max_length=100)] = []
    retry: Annotated[list[StateRetrier], Field(max_length=100)] = []


class ActionState(CatchingState):
    """State that runs an action and waits for its end."""

    type: Literal["Action"]
    action_url: Text | None = None
    action_scope: Text | None = None
    handler: Handler | None = None
    wait_time: Annotated[int, Field(ge=1, le=YEAR)] = DEFAULT_WAIT_TIME
    exception_on_action_failure: bool = True
    run_as: Annotated[str, Field(min_length=1, max_length=128)] = "User"

    @field_validator("handler", mode="before")
    @classmethod
    def _of_a_provider(cls, given: Any) -> Any:
        if isinstance(given, str):
            raise ValueError("urn: handlers are internal to Globus; use an Action Provider with ActionUrl")  # noqa: TRY004
        if isinstance(given, Mapping) and given.get("Type") == "RegisteredAPI":
            raise ValueError(
                "RegisteredAPI exists in Globus only; use an Action Provider, or a provider with the executor http"
            )
        return given

    @model_validator(mode="after")
    def _whole(self) -> "ActionState":
        if (self.action_url is None) == (self.handler is None):
            raise ValueError("set either ActionUrl or Handler")
        if self.parameters is None and self.input_path is None:
            raise ValueError("set either Parameters or InputPath, the input of the action")
        return self

    @property
    def url(self) -> str:
        """URL of the Action Provider."""
        return self.action_url or (self.handler.url if self.handler is not None else "")

    @property
    def scope(self) -> str | None:
        """Scope of the token, if the state sets one."""
        return self.action_scope or (self.handler.scope if self.handler is not None else None)


class WebInputState(CatchingState):
    """State that asks a person; both types run approvals."""

    type: Literal["CreateWebInput", "AwaitWebInput"]

    @model_validator(mode="after")
    def _check_input(self) -> "WebInputState":
        if self.parameters is None and self.input_path is None:
            raise ValueError("set either Parameters or InputPath")
        return self


class ExpressionEvalState(TransitionState):
    """State that writes the values of its parameters."""

    type: Literal["ExpressionEval"]
    parameters: dict[str, Any]
    result_path: str


class PassState(DataState):
    """State that passes on its input, or a constant."""

    type: Literal["Pass"]
    result: Any = None

    @model_validator(mode="after")
    def _one_source(self) -> "PassState":
        if "result" in self.model_fields_set and self.parameters is not None:
            raise ValueError("set either Parameters or Result, not both")
        return self


class WaitState(TransitionState):
    """State that waits; exactly one of four fields sets the time."""

    type: Literal["Wait"]
    seconds: Seconds | None = None
    seconds_path: str | None = None
    timestamp: str | None = None
    timestamp_path: str | None = None

    @model_validator(mode="after")
    def _one_time(self) -> "WaitState":
        given = [self.seconds, self.seconds_path, self.timestamp, self.timestamp_path]
        if sum(one is not None for one in given) != 1:
            raise ValueError("set exactly one of Seconds, SecondsPath, Timestamp and TimestampPath")
        return self


class ChoiceState(State):
    """State that chooses the next state by rules, which ``flows.rules`` parses."""

    type: Literal["Choice"]
    choices: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1_000)]
    default: StateName | None = None


class FailState(State):
    """State that ends the run as failed."""

    type: Literal["Fail"]
    error: str | None = None
    error_path: str | None = None
    cause: str | None = None
    cause_path: str | None = None

    @model_validator(mode="after")
    def _one_each(self) -> "FailState":
        if self.error is not None and self.error_path is not None:
            raise ValueError("set either Error or ErrorPath, not both")
        if self.cause is not None and self.cause_path is not None:
            raise ValueError("set either Cause or CausePath, not both")
        return self


class ParallelState(CatchingState):
    """State that runs branches in parallel; its result is the list of their results (extension)."""

    type: Literal["Parallel"]
    branches: "Annotated[list[Flow], Field(min_length=1, max_length=100)]"


class MapState(CatchingState):
    """State that runs one flow for each item; its result is the list of results in the order of the items (extension).

    Attributes:
        max_concurrency: maximum number of items at the same time; 0 for the engine's limit.
        inline: actions run without objects of their own; for idempotent executors only.
    """

    type: Literal["Map"]
    item_processor: "Flow"
    items_path: str = "$"
    item_selector: dict[str, Any] | None = None
    max_concurrency: Annotated[int, Field(ge=0, le=MAX_CONCURRENCY)] = 0
    max_concurrency_path: str | None = None
    tolerated_failure_count: Annotated[int, Field(ge=0)] | None = None
    tolerated_failure_count_path: str | None = None
    tolerated_failure_percentage: Annotated[float, Field(ge=0, le=100, strict=False)] | None = None
    tolerated_failure_percentage_path: str | None = None
    inline: bool = False

    @model_validator(mode="after")
    def _of_items(self) -> "MapState":
        if self.parameters is not None:
            raise ValueError("Parameters is not supported; use ItemSelector, which replaces it")
        for name in LIMITS:
            if {name, f"{name}_path"} <= self.model_fields_set:
                raise ValueError(f"set either {to_pascal(name)} or {to_pascal(name)}Path, not both")
        return self

    @property
    def limit_paths(self) -> dict[str, str]:
        """Paths of the limits that are in the state of the flow, by the names of their fields."""
        found = {f"{to_pascal(name)}Path": getattr(self, f"{name}_path") for name in LIMITS}
        return {name: path for name, path in found.items() if path is not None}


AnyState = Annotated[
    ActionState
    | WebInputState
    | ExpressionEvalState
    | PassState
    | WaitState
    | ChoiceState
    | FailState
    | ParallelState
    | MapState,
    Field(discriminator="type"),
]


class Flow(Commented):
    """States and the first of them: a whole flow, a branch, or the flow of an item."""

    start_at: StateName
    states: Annotated[dict[StateName, AnyState], Field(min_length=1, max_length=10_000)]


class FlowDefinition(Flow):
    """A whole flow.

    Attributes:
        timeout_seconds: maximum time of a run (extension; Globus allows a year).
    """

    timeout_seconds: Annotated[int, Field(ge=1, le=YEAR)] = YEAR


for _model in (ParallelState, MapState, Flow, FlowDefinition):
    _model.model_rebuild()

_TYPES = frozenset({"Action", "CreateWebInput", "AwaitWebInput", "ExpressionEval", "Pass", "Wait", "Choice", "Fail"})
_ADAPTER = TypeAdapter(FlowDefinition)
_ELSEWHERE = {
    "Resource": "; use Type: Action with an ActionUrl",
    "TimeoutSeconds": "; an Action has WaitTime, the whole flow has TimeoutSeconds",
    "TimeoutSecondsPath": "; use WaitTime, in seconds",
    "HeartbeatSeconds": "; actions are polled, and WaitTime limits their time",
    "OutputPath": "; select the output by a Pass with InputPath",
    "ResultSelector": "; select the result by a Pass with Parameters",
    "Assign": "; use ExpressionEval with a ResultPath",
    "Arguments": "; use Parameters",
    "Output": "; use ResultPath, or a Pass with Parameters",
    "QueryLanguage": "; use paths (.$) and expressions (.=)",
    "Condition": "; use Variable and an operator",
    "Items": "; use ItemsPath",
    "Iterator": "; use ItemProcessor",
    "ItemReader": "; read the items by an Action, and use ItemsPath",
    "Label": "; remove it",
    "ResultWriter": "; write the results by an Action",
    "ItemBatcher": "; create batches by an expression, and use ItemsPath",
    "ProcessorConfig": "; remove it; Inline: true keeps items in the run",
    "Version": "; remove it",
    "Credentials": "; use RunAs",
}
"""Fields of Amazon States Language, and what to use instead."""
_ABSENT = {
    "Task": "use Action, with an ActionUrl",
    "Succeed": "use Pass with End: true",
}


def parse_definition(document: Any) -> FlowDefinition | tuple[Problem, ...]:
    """Parse a definition; return the problems of its fields if it is not valid."""
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as error:
        return tuple(_problem(document, one["loc"], one) for one in error.errors(include_url=False))


def _problem(document: Any, location: tuple[int | str, ...], error: Mapping[str, Any]) -> Problem:
    path, value = "$", document
    for part in location:
        if _has(value, part):
            value = value[part]
        elif part in _TYPES | SUPERSET_STATES:
            continue  # pydantic also names the member of the union
        path = f"{path}[{part}]" if isinstance(part, int) else child_path(path, part)
    return Problem(path, _message(value, error, str(location[-1]) if location else ""))


def _has(value: Any, part: int | str) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _message(value: Any, error: Mapping[str, Any], name: str) -> str:
    kind = error["type"]
    if kind == "union_tag_invalid":
        found = value.get("Type") if isinstance(value, Mapping) else None
        hint = _ABSENT.get(str(found), f"use one of {', '.join(sorted(_TYPES | SUPERSET_STATES))}")
        return f"unknown state type {found!r}; {hint}"
    if kind == "union_tag_not_found":
        return f"Type is required: one of {', '.join(sorted(_TYPES | SUPERSET_STATES))}"
    if kind == "extra_forbidden":
        return f"unknown field{_ELSEWHERE.get(name, '')}"
    if kind == "missing":
        return "is required"
    return str(error["msg"]).removeprefix("Value error, ")
