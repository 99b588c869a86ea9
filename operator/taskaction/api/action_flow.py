"""ActionFlow: a flow definition as users keep it, and what is wrong with it. Fields and rules only."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from taskaction.api.base import ApiModel, JsonObject, Message
from taskaction.api.metadata import Condition, Metadata
from taskaction.api.rules import name_fits_a_label, rules

PROBLEMS_KEPT = 32
"""How many problems a status lists."""


class ActionFlowSpec(ApiModel):
    """A definition in the language of Globus Flows, and what its runs are given."""

    definition: JsonObject
    """The flow: `StartAt` and `States`, as docs/flows-language.md describes. It is kept as it is written."""
    input_schema: JsonObject | None = None
    """JSON Schema (2020-12) that the input of every run must satisfy. Remote references are refused."""
    strict: bool | None = None
    """Refuse what Globus Flows does not have, so that the definition can be used there, too. Default false."""
    title: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """What people call the flow."""
    description: Annotated[str, Field(max_length=4096)] | None = None
    """What the flow is for."""


class FlowProblem(ApiModel):
    """One thing that is wrong, and where."""

    path: Message
    """Where: a field of `spec`, within the definition as a JSONPath, for example `$.States.Copy.Next`."""
    message: Message
    """What is wrong, and how to mend it."""


class ActionFlowStatus(ApiModel):
    """What the operator found; written only by the operator."""

    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    """Valid: whether the flow can be run."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that this status speaks of."""
    problems: Annotated[tuple[FlowProblem, ...], Field(max_length=PROBLEMS_KEPT)] | None = None
    """What is wrong with the flow; the first 32 problems."""


class ActionFlow(ApiModel):
    """A flow: states, each of which leads to the next, in the language of Globus Flows."""

    model_config = ConfigDict(json_schema_extra=rules(name_fits_a_label()))

    metadata: Metadata
    spec: ActionFlowSpec
    status: ActionFlowStatus = ActionFlowStatus()

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """Read an object as the API server gives it; raises ``pydantic.ValidationError``."""
        return cls.model_validate(body)
