"""Port Ocean's API, so that an executor written for it runs after you change only its imports."""

from taskaction.integrations.port.ocean.context import PortOceanContext, ocean
from taskaction.integrations.port.ocean.errors import (
    ActionExecutionError,
    DuplicateActionExecutorError,
    RetryableError,
    RunAlreadyAcknowledgedError,
    UserAuthRequiredError,
)
from taskaction.integrations.port.ocean.executor import AbstractExecutor, hosted
from taskaction.integrations.port.ocean.manager import ExecutionManager
from taskaction.integrations.port.ocean.models import (
    ActionRun,
    ActionRunStatus,
    IntegrationActionInvocationPayload,
    IntegrationRun,
    InvocationPayload,
    InvocationType,
    ResolvedExecutionIdentity,
    RunKind,
    RunStatus,
    WorkflowIntegrationActionConfig,
    WorkflowNodeRun,
    WorkflowNodeRunLog,
    WorkflowNodeRunResult,
    WorkflowNodeRunStatus,
)
from taskaction.integrations.port.ocean.report_router import UnknownRunError
from taskaction.integrations.port.ocean.webhooks import (
    AbstractWebhookProcessor,
    EventHeaders,
    EventPayload,
    ResourceConfig,
    WebhookEvent,
    WebhookEventRawResults,
    WebhookProcessorType,
    WebhookRequestAdapter,
)

__all__ = [
    "AbstractExecutor",
    "AbstractWebhookProcessor",
    "ActionExecutionError",
    "ActionRun",
    "ActionRunStatus",
    "DuplicateActionExecutorError",
    "EventHeaders",
    "EventPayload",
    "ExecutionManager",
    "IntegrationActionInvocationPayload",
    "IntegrationRun",
    "InvocationPayload",
    "InvocationType",
    "PortOceanContext",
    "ResolvedExecutionIdentity",
    "ResourceConfig",
    "RetryableError",
    "RunAlreadyAcknowledgedError",
    "RunKind",
    "RunStatus",
    "UnknownRunError",
    "UserAuthRequiredError",
    "WebhookEvent",
    "WebhookEventRawResults",
    "WebhookProcessorType",
    "WebhookRequestAdapter",
    "WorkflowIntegrationActionConfig",
    "WorkflowNodeRun",
    "WorkflowNodeRunLog",
    "WorkflowNodeRunResult",
    "WorkflowNodeRunStatus",
    "hosted",
    "ocean",
]
