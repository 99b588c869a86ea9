"""Models of the runs that Port hands out, each parsed on its own, so that a malformed one affects no other."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from taskaction.core.names import truncate

_ENDED = frozenset({"SUCCESS", "FAILURE", "COMPLETED"})
_PROBLEM_CHARS = 512
_LONGEST_ID = 253


class PortRunKind(StrEnum):
    """Kind of run at Port; each kind has its own API paths."""

    ACTION = "action"
    WORKFLOW_NODE = "workflow_node"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRun:
    """Run to execute.

    Attributes:
        action_type: type of the run, which selects an executor or a provider.
        bucket: the Port action (``action.identifier``) or workflow node (``nodeUid``) that the run belongs to.
        properties: parameters of the run.
    """

    kind: PortRunKind
    id: str
    action_type: str
    bucket: str
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedRun:
    """Run that cannot be parsed; without an ``id`` the agent cannot report on it."""

    kind: PortRunKind
    id: str | None
    bucket: str
    problem: str


class _PortModel(BaseModel):
    """Base model that ignores unknown fields: Port adds fields at any time."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", strict=True)


_Id = Annotated[str, Field(min_length=1, max_length=_LONGEST_ID)]
_Type = Annotated[str, Field(min_length=1, max_length=_LONGEST_ID)]


class _Payload(_PortModel):
    integration_action_type: _Type
    integration_action_execution_properties: dict[str, Any] = Field(default_factory=dict)


class _Action(_PortModel):
    identifier: _Id


class _ActionRun(_PortModel):
    id: _Id
    status: str
    payload: _Payload
    action: _Action

    def run(self) -> PortRun:
        return PortRun(
            kind=PortRunKind.ACTION,
            id=self.id,
            action_type=self.payload.integration_action_type,
            bucket=self.action.identifier,
            properties=self.payload.integration_action_execution_properties,
        )


class _NodeConfig(_PortModel):
    integration_invocation_type: _Type
    integration_action_execution_properties: dict[str, Any] = Field(default_factory=dict)


class _WorkflowNode(_PortModel):
    config: _NodeConfig


class _NodeRun(_PortModel):
    identifier: _Id
    status: str
    node_uid: _Id | None = None
    config: _NodeConfig | None = None
    node: _WorkflowNode | None = None

    def run(self) -> PortRun:
        config = self.config or (self.node.config if self.node is not None else None)
        if config is None:
            raise ValueError("config and node.config are missing")
        return PortRun(
            kind=PortRunKind.WORKFLOW_NODE,
            id=self.identifier,
            action_type=config.integration_invocation_type,
            bucket=self.node_uid or self.identifier,
            properties=config.integration_action_execution_properties,
        )


def read_run(kind: PortRunKind, item: object) -> PortRun | MalformedRun:
    """Parse one element of the response to a claim; never raises."""
    model: type[_ActionRun | _NodeRun] = _ActionRun if kind is PortRunKind.ACTION else _NodeRun
    try:
        parsed = model.model_validate(item)
        run = parsed.run()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return _to_malformed_run(kind, item, f"{where or 'the run'}: {first['msg']}")
    except ValueError as error:
        return _to_malformed_run(kind, item, str(error))
    if parsed.status in _ENDED:
        # Any report on a run that has ended would be wrong.
        return MalformedRun(
            kind=kind, id=None, bucket=run.bucket, problem=f"run {run.id} was handed out with status {parsed.status}"
        )
    return run


def _to_malformed_run(kind: PortRunKind, item: object, problem: str) -> MalformedRun:
    known = item if isinstance(item, dict) else {}
    name = known.get("id" if kind is PortRunKind.ACTION else "identifier")
    usable = isinstance(name, str) and 0 < len(name) <= _LONGEST_ID
    bucket = _value_at(known, "action", "identifier") if kind is PortRunKind.ACTION else known.get("nodeUid")
    return MalformedRun(
        kind=kind,
        id=name if usable else None,
        bucket=bucket if isinstance(bucket, str) and bucket else "malformed",
        problem=truncate(problem, _PROBLEM_CHARS),
    )


def _value_at(value: object, *path: str) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
