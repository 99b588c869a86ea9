"""Client library of the TaskAction operator: run actions and flows, wait for them, follow them, get their results."""

from taskaction_client.client import Client
from taskaction_client.errors import (
    ActionFailedError,
    AlreadyExistsError,
    ApiError,
    ClientError,
    ConfigurationError,
    ConflictError,
    DeletedError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OutputStoredError,
    UnavailableError,
    WaitTimeoutError,
)
from taskaction_client.objects import Action, FlowRun, Request
from taskaction_client.outcomes import Outcome
from taskaction_client.sync_client import SyncClient
from taskaction_client.types.action_flow_run import ActionFlowRunSpec
from taskaction_client.types.task_action import TaskActionSpec

__all__ = [
    "Action",
    "ActionFailedError",
    "ActionFlowRunSpec",
    "AlreadyExistsError",
    "ApiError",
    "Client",
    "ClientError",
    "ConfigurationError",
    "ConflictError",
    "DeletedError",
    "FlowRun",
    "ForbiddenError",
    "InvalidError",
    "NotFoundError",
    "Outcome",
    "OutputStoredError",
    "Request",
    "SyncClient",
    "TaskActionSpec",
    "UnavailableError",
    "WaitTimeoutError",
]
