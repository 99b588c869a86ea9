"""ActionFlow: a flow definition and its problems. Fields and rules only."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from taskaction.api.base import ApiModel, JsonObject, Message
from taskaction.api.metadata import Conditions, Metadata
from taskaction.api.rules import name_length_rule, rules

PROBLEMS_KEPT = 32
"""Maximum number of problems in a status."""


class ActionFlowSpec(ApiModel):
    """Specification of the flow: a definition in the language of Globus Flows, and the schema of its input."""

    definition: JsonObject
    """The flow: `StartAt` and `States`, as docs/flows-language.md describes. It is stored unchanged."""
    input_schema: JsonObject | None = None
    """JSON Schema (2020-12) that the input of every run must satisfy. Remote references are refused."""
    strict: bool | None = None
    """Reject everything that Globus Flows does not support, so that the definition also works there. Default false."""
    title: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """A short title for people."""
    description: Annotated[str, Field(max_length=4096)] | None = None
    """A description of the flow."""


class FlowProblem(ApiModel):
    """One problem of a flow."""

    path: Message
    """The field of `spec`; within the definition a JSONPath, for example `$.States.Copy.Next`."""
    message: Message
    """The problem, and how to fix it."""


class ActionFlowStatus(ApiModel):
    """Observed state of the flow; written only by the operator."""

    conditions: Conditions = ()
    """Conditions of the flow. Valid: whether the flow can be run."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that this status describes."""
    problems: Annotated[tuple[FlowProblem, ...], Field(max_length=PROBLEMS_KEPT)] | None = None
    """The first 32 problems of the flow."""


class ActionFlow(ApiModel):
    """A flow: states and transitions between them, in the language of Globus Flows."""

    model_config = ConfigDict(json_schema_extra=rules(name_length_rule()))

    metadata: Metadata
    spec: ActionFlowSpec
    status: ActionFlowStatus = ActionFlowStatus()

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """Return the model of an object from the API server; raise ``pydantic.ValidationError``."""
        return cls.model_validate(body)
