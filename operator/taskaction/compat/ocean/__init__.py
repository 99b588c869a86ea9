"""Port Ocean's names, so that an executor written for it runs after changing only its import lines."""

from taskaction.compat.ocean.context import PortOceanContext, ocean
from taskaction.compat.ocean.desk import UnknownRunError
from taskaction.compat.ocean.errors import (
    ActionExecutionError,
    DuplicateActionExecutorError,
    RetryableError,
    RunAlreadyAcknowledgedError,
    UserAuthRequiredError,
)
from taskaction.compat.ocean.executor import AbstractExecutor, hosted
from taskaction.compat.ocean.manager import ExecutionManager
from taskaction.compat.ocean.models import (
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
from taskaction.compat.ocean.webhooks import (
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
