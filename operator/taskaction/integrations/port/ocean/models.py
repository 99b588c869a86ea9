"""Runs that Ocean executors receive, with the field names of Port Ocean; models without behaviour."""

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator


class RunStatus(StrEnum):
    """Status of a run, as in Ocean."""

    IN_PROGRESS = "IN_PROGRESS"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"

    @property
    def terminal(self) -> bool:
        """Whether the run has ended."""
        return self is not RunStatus.IN_PROGRESS


ActionRunStatus = RunStatus


class WorkflowNodeRunStatus(StrEnum):
    """Status of a workflow's node; for code that compares with it."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"


class WorkflowNodeRunResult(StrEnum):
    """Result of a workflow's node; for code that compares with it."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class RunKind(StrEnum):
    """Kind of a run; a TaskAction is always an ``action``."""

    ACTION = "action"
    WORKFLOW_NODE = "workflow_node"


class WorkflowNodeRunLog(BaseModel):
    """Log line, as ``post_run_logs`` takes it."""

    level: Literal["INFO", "WARN", "ERROR", "DEBUG"] = "INFO"
    message: str


class InvocationType(StrEnum):
    """Type of the invocation of a run; there is only one."""

    INTEGRATION_ACTION = "INTEGRATION_ACTION"


class IntegrationRun(ABC):
    """Base class of all kinds of runs."""

    id: str

    @property
    @abstractmethod
    def run_kind(self) -> RunKind:
        """Action or workflow node."""

    @property
    @abstractmethod
    def action_type(self) -> str:
        """The executor's ACTION_NAME."""

    @property
    @abstractmethod
    def execution_properties(self) -> dict[str, Any]:
        """Parameters of the user."""

    @property
    @abstractmethod
    def buffer_utilization_key(self) -> str:
        """Key by which Ocean counts the runs of one action."""

    @property
    @abstractmethod
    def is_in_progress(self) -> bool:
        """Nothing final has been reported."""


class _OceanModel(BaseModel):
    """Base model that ignores unknown fields of Ocean, so that recorded runs can be parsed."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class InvocationPayload(_OceanModel):
    """Base class of payloads."""

    type: InvocationType = InvocationType.INTEGRATION_ACTION


class IntegrationActionInvocationPayload(InvocationPayload):
    """Payload of a run: ``spec.parameters`` of the TaskAction are the execution properties."""

    type: Literal[InvocationType.INTEGRATION_ACTION] = InvocationType.INTEGRATION_ACTION
    installationId: str = ""  # noqa: N815 - Ocean's name; here the action's namespace
    integrationActionType: str = ""  # noqa: N815 - Ocean's name; the executor's ACTION_NAME
    integrationActionExecutionProperties: dict[str, Any] = Field(default_factory=dict)  # noqa: N815 - Ocean's name


class WorkflowIntegrationActionConfig(InvocationPayload):
    """Configuration of a workflow's node."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    installationId: str = ""  # noqa: N815 - Ocean's name
    integrationProvider: str = ""  # noqa: N815 - Ocean's name
    integrationInvocationType: str = ""  # noqa: N815 - Ocean's name
    integrationActionExecutionProperties: dict[str, Any] = Field(default_factory=dict)  # noqa: N815 - Ocean's name


class ResolvedExecutionIdentity(_OceanModel):
    """Identity that a workflow's node acts as, as Port names it."""

    type: Literal["actor", "service_account"]
    identifier: str


class ActionReference(_OceanModel):
    """Reference to the invoked action of the portal; here the name of the executor."""

    identifier: str | None = None


Payload = TypeVar("Payload", bound=IntegrationActionInvocationPayload)


class ActionRun(_OceanModel, IntegrationRun, Generic[Payload]):
    """Run of one TaskAction, whose uid is the ``id``."""

    id: str
    status: RunStatus = RunStatus.IN_PROGRESS
    payload: Payload
    action: ActionReference = Field(default_factory=ActionReference)

    @property
    def run_kind(self) -> RunKind:
        """An action."""
        return RunKind.ACTION

    @property
    def action_identifier(self) -> str:
        """The action's identifier, else its type."""
        return self.action.identifier or self.action_type

    @property
    def action_type(self) -> str:
        """The executor's ACTION_NAME."""
        return self.payload.integrationActionType

    @property
    def execution_properties(self) -> dict[str, Any]:
        """The user's parameters."""
        return self.payload.integrationActionExecutionProperties

    @property
    def buffer_utilization_key(self) -> str:
        """The action's identifier, else its type."""
        return self.action_identifier

    @property
    def is_in_progress(self) -> bool:
        """Nothing final has been reported."""
        return not self.status.terminal


class WorkflowNode(_OceanModel):
    """Node of a workflow, with the configuration of its run."""

    config: WorkflowIntegrationActionConfig


class WorkflowNodeRun(_OceanModel, IntegrationRun):
    """Run of a Port workflow's node: no TaskAction is one; for ``isinstance`` and for recorded runs."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    id: str = Field(alias="identifier")
    node_uid: str | None = Field(default=None, alias="nodeUid")
    status: WorkflowNodeRunStatus = WorkflowNodeRunStatus.IN_PROGRESS
    config: WorkflowIntegrationActionConfig | None = None
    node: WorkflowNode | None = None
    output: dict[str, Any] = Field(default_factory=dict)
    identity_token: str | None = Field(default=None, alias="identityToken")
    port_access_token: str | None = Field(default=None, alias="portAccessToken")
    execution_identity: ResolvedExecutionIdentity | None = Field(default=None, alias="executionIdentity")

    @model_validator(mode="after")
    def _has_a_config(self) -> Self:
        if self.config is None and self.node is None:
            raise ValueError("either config or node.config must be provided")
        return self

    @property
    def integration_config(self) -> WorkflowIntegrationActionConfig:
        """Configuration of the run or of its node."""
        config = self.config or (self.node.config if self.node is not None else None)
        assert config is not None  # noqa: S101 - validated
        return config

    @property
    def run_kind(self) -> RunKind:
        """A workflow's node."""
        return RunKind.WORKFLOW_NODE

    @property
    def action_type(self) -> str:
        """The executor's ACTION_NAME."""
        return self.integration_config.integrationInvocationType

    @property
    def execution_properties(self) -> dict[str, Any]:
        """The user's parameters."""
        return self.integration_config.integrationActionExecutionProperties

    @property
    def buffer_utilization_key(self) -> str:
        """The node."""
        return self.node_uid or self.id

    @property
    def is_in_progress(self) -> bool:
        """Nothing final has been reported."""
        return self.status is WorkflowNodeRunStatus.IN_PROGRESS
