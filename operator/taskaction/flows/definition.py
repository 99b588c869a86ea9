"""The words of a flow definition as models: which states there are and which fields they have; judges no graph.

Names and rules are those of reference sections 2.1 to 2.3 and 2.13. What goes beyond Globus is listed in
``SUPERSET_STATES`` and ``SUPERSET_FIELDS``, so that it can be refused for definitions that must stay portable.
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

from taskaction.flows.errors import KNOWN_RESERVED, RESERVED, Problem, below

YEAR = 31_536_000
"""The longest wait, in seconds."""

DEFAULT_WAIT_TIME = 300
SUPERSET_STATES = frozenset({"Parallel", "Map"})
SUPERSET_FIELDS = frozenset({"Retry", "TimeoutSeconds", "Inline"})

Text = Annotated[str, Field(min_length=1, max_length=1000)]
StateName = Annotated[str, Field(min_length=1, max_length=128)]
Seconds = Annotated[int, Field(ge=0, le=YEAR)]


class Words(BaseModel):
    """Anything in a definition: names as Globus writes them, and no others."""

    model_config = ConfigDict(alias_generator=to_pascal, extra="forbid", frozen=True, strict=True)


def _known_error(name: str) -> str:
    if name.startswith(RESERVED) and name not in KNOWN_RESERVED:
        raise ValueError(f"there is no error {name!r}; those of this kind are {', '.join(sorted(KNOWN_RESERVED))}")
    return name


ErrorName = Annotated[Text, AfterValidator(_known_error)]
Errors = Annotated[list[ErrorName], Field(min_length=1, max_length=100)]


class Catcher(Words):
    """Where the run goes on when a state fails with one of the errors."""

    error_equals: Errors
    next: StateName
    result_path: str | None = "$"


class Retrier(Words):
    """When a failed state is tried again; fields and defaults are Amazon States Language's (superset)."""

    error_equals: Errors
    interval_seconds: Annotated[int, Field(ge=1, le=YEAR)] = 1
    max_attempts: Annotated[int, Field(ge=0, le=1_000)] = 3
    backoff_rate: Annotated[float, Field(ge=1, le=100, strict=False)] = 2.0
    max_delay_seconds: Annotated[int, Field(ge=1, le=YEAR)] = YEAR
    jitter_strategy: Literal["FULL", "NONE"] = "NONE"


class Handler(Words):
    """The newer way to name an Action Provider."""

    type: Literal["ActionProvider"]
    url: Text
    scope: Text | None = None


class State(Words):
    """What every state has."""

    comment: str | None = None


class Going(State):
    """A state after which the run goes on, or ends well."""

    next: StateName | None = None
    end: bool | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "Going":
        if (self.next is None) == (not self.end):
            raise ValueError("needs either Next, the name of a state, or End: true")
        return self


class Working(Going):
    """A state that is given something, and puts what comes of it somewhere."""

    input_path: str | None = None
    parameters: dict[str, Any] | None = None
    result_path: str | None = "$"

    @model_validator(mode="after")
    def _one_input(self) -> "Working":
        if self.input_path is not None and self.parameters is not None:
            raise ValueError("has both Parameters and InputPath: keep one")
        return self


class Failing(Working):
    """A state that can fail in ways that the flow handles."""

    catch: Annotated[list[Catcher], Field(max_length=100)] = []
    retry: Annotated[list[Retrier], Field(max_length=100)] = []


class ActionState(Failing):
    """Runs an action, and waits for its end."""

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
            raise ValueError("urn: handlers are services inside Globus: name an Action Provider by its ActionUrl")  # noqa: TRY004
        if isinstance(given, Mapping) and given.get("Type") == "RegisteredAPI":
            raise ValueError("RegisteredAPI is known to Globus only: use an Action Provider, or a provider of http")
        return given

    @model_validator(mode="after")
    def _whole(self) -> "ActionState":
        if (self.action_url is None) == (self.handler is None):
            raise ValueError("needs either ActionUrl or Handler")
        if self.parameters is None and self.input_path is None:
            raise ValueError("needs either Parameters or InputPath: what the action is given")
        return self

    @property
    def url(self) -> str:
        """Where the action is run."""
        return self.action_url or (self.handler.url if self.handler is not None else "")

    @property
    def scope(self) -> str | None:
        """The scope of the token, where it is not the provider that says so."""
        return self.action_scope or (self.handler.scope if self.handler is not None else None)


class WebInputState(Failing):
    """Asks a person; both kinds become approvals."""

    type: Literal["CreateWebInput", "AwaitWebInput"]

    @model_validator(mode="after")
    def _given(self) -> "WebInputState":
        if self.parameters is None and self.input_path is None:
            raise ValueError("needs either Parameters or InputPath")
        return self


class ExpressionEvalState(Going):
    """Writes what its parameters evaluate to."""

    type: Literal["ExpressionEval"]
    parameters: dict[str, Any]
    result_path: str


class PassState(Working):
    """Passes on what it is given, or a constant."""

    type: Literal["Pass"]
    result: Any = None

    @model_validator(mode="after")
    def _one_source(self) -> "PassState":
        if "result" in self.model_fields_set and self.parameters is not None:
            raise ValueError("has both Parameters and Result: keep one")
        return self


class WaitState(Going):
    """Waits; exactly one of the four says until when."""

    type: Literal["Wait"]
    seconds: Seconds | None = None
    seconds_path: str | None = None
    timestamp: str | None = None
    timestamp_path: str | None = None

    @model_validator(mode="after")
    def _one_time(self) -> "WaitState":
        given = [self.seconds, self.seconds_path, self.timestamp, self.timestamp_path]
        if sum(one is not None for one in given) != 1:
            raise ValueError("needs exactly one of Seconds, SecondsPath, Timestamp and TimestampPath")
        return self


class ChoiceState(State):
    """Goes on by what the state of the flow says; its rules are read by ``flows.rules``."""

    type: Literal["Choice"]
    choices: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1_000)]
    default: StateName | None = None


class FailState(State):
    """Ends the run as failed."""

    type: Literal["Fail"]
    error: str | None = None
    error_path: str | None = None
    cause: str | None = None
    cause_path: str | None = None

    @model_validator(mode="after")
    def _one_each(self) -> "FailState":
        if self.error is not None and self.error_path is not None:
            raise ValueError("has both Error and ErrorPath: keep one")
        if self.cause is not None and self.cause_path is not None:
            raise ValueError("has both Cause and CausePath: keep one")
        return self


class ParallelState(Failing):
    """Runs branches side by side, and gives the list of their results (superset)."""

    type: Literal["Parallel"]
    branches: "Annotated[list[Flow], Field(min_length=1, max_length=100)]"


class MapState(Failing):
    """Runs one flow for each item, and gives the list of results in the order of the items (superset).

    Attributes:
        max_concurrency: how many items are under way at a time; 0 for as many as the engine allows.
        inline: actions run inside the run's own object, without objects of their own; idempotent executors only.
    """

    type: Literal["Map"]
    item_processor: "Flow"
    items_path: str = "$"
    item_selector: dict[str, Any] | None = None
    max_concurrency: Annotated[int, Field(ge=0, le=10_000)] = 0
    tolerated_failure_count: Annotated[int, Field(ge=0)] | None = None
    tolerated_failure_percentage: Annotated[float, Field(ge=0, le=100, strict=False)] | None = None
    inline: bool = False

    @model_validator(mode="after")
    def _of_items(self) -> "MapState":
        if self.input_path is not None or self.parameters is not None:
            raise ValueError("takes no InputPath and no Parameters: write ItemsPath, and ItemSelector")
        return self


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


class Flow(Words):
    """States, and with which of them it begins: a whole flow, a branch, or what is done with an item."""

    start_at: StateName
    states: Annotated[dict[StateName, AnyState], Field(min_length=1, max_length=10_000)]
    comment: str | None = None


class FlowDefinition(Flow):
    """A whole flow.

    Attributes:
        timeout_seconds: how long a run may take (superset; Globus allows a year).
    """

    timeout_seconds: Annotated[int, Field(ge=1, le=YEAR)] = YEAR


for _model in (ParallelState, MapState, Flow, FlowDefinition):
    _model.model_rebuild()

_TYPES = frozenset({"Action", "CreateWebInput", "AwaitWebInput", "ExpressionEval", "Pass", "Wait", "Choice", "Fail"})
_ADAPTER = TypeAdapter(FlowDefinition)
_ELSEWHERE = {
    "Resource": ": write Type: Action, with an ActionUrl",
    "TimeoutSeconds": ": an Action has WaitTime, and the whole flow TimeoutSeconds",
    "TimeoutSecondsPath": ": write WaitTime, in seconds",
    "HeartbeatSeconds": ": an action is polled; WaitTime bounds it",
    "OutputPath": ": pick what is wanted by a Pass with InputPath",
    "ResultSelector": ": pick what is wanted by a Pass with Parameters",
    "Assign": ": write values by ExpressionEval, with a ResultPath",
    "Arguments": ": write Parameters",
    "Output": ": write ResultPath, or a Pass with Parameters",
    "QueryLanguage": ": paths (.$) and expressions (.=) are what there is",
    "Condition": ": write Variable and an operator",
    "Items": ": write ItemsPath",
    "Iterator": ": write ItemProcessor",
    "ItemReader": ": read the items by an Action, and write ItemsPath",
    "ResultWriter": ": write the results by an Action",
    "ItemBatcher": ": make batches by an expression, and write ItemsPath",
    "ProcessorConfig": ": leave it out; Inline: true keeps items in the run",
    "MaxConcurrencyPath": ": write MaxConcurrency",
    "Version": ": leave it out",
    "Credentials": ": write RunAs",
}
"""What people write who know Amazon States Language, and what to write here."""
_ABSENT = {
    "Task": "use Action, with an ActionUrl",
    "Succeed": "use Pass with End: true",
}


def read(document: Any) -> FlowDefinition | tuple[Problem, ...]:
    """Read a definition; give what is wrong with its words where it is none."""
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
            continue  # pydantic names the member of the union, too
        path = f"{path}[{part}]" if isinstance(part, int) else below(path, part)
    return Problem(path, _message(value, error, str(location[-1]) if location else ""))


def _has(value: Any, part: int | str) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _message(value: Any, error: Mapping[str, Any], name: str) -> str:
    kind = error["type"]
    if kind == "union_tag_invalid":
        found = value.get("Type") if isinstance(value, Mapping) else None
        hint = _ABSENT.get(str(found), f"there are {', '.join(sorted(_TYPES | SUPERSET_STATES))}")
        return f"there is no state type {found!r}: {hint}"
    if kind == "union_tag_not_found":
        return f"needs a Type: {', '.join(sorted(_TYPES | SUPERSET_STATES))}"
    if kind == "extra_forbidden":
        return f"there is no such field here{_ELSEWHERE.get(name, '')}"
    if kind == "missing":
        return "is missing"
    return str(error["msg"]).removeprefix("Value error, ")
