"""Contract between the operator and its executors; the only import that the author of a plug-in needs.

See ``docs/writing-an-executor.md``. The modules in this package are private to the operator.
"""

from taskaction.api.enums import RetryClass
from taskaction.api.task_action import Link, Progress, Signal
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded, Work
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.addresses import AddressPolicy
from taskaction.plugin.base import AbstractExecutor, Correlation, Delivery, Reporter, Run, SecretReader, WebhookRequest
from taskaction.plugin.errors import (
    AccessDeniedError,
    ActionError,
    ActionExecutionError,
    AddressDeniedError,
    InvalidParametersError,
    MissingSourceError,
    RateLimitedError,
    TransientError,
    WebhookRefusedError,
)
from taskaction.plugin.http_sessions import open_http_session
from taskaction.plugin.parameters import Parameters
from taskaction.plugin.registry import DuplicateActionExecutorError, Plugin, Registry
from taskaction.plugin.schedule import Schedule
from taskaction.plugin.secrets import Secret
from taskaction.plugin.setting_types import COMMA_LIST, JSON_OBJECT, PAIRS, Folder, Url
from taskaction.plugin.settings import FormerName, Settings, SettingsReader
from taskaction.plugin.toolbox import Toolbox

__all__ = [
    "COMMA_LIST",
    "JSON_OBJECT",
    "PAIRS",
    "AbstractExecutor",
    "AccessDeniedError",
    "ActionError",
    "ActionExecutionError",
    "AddressDeniedError",
    "AddressPolicy",
    "Correlation",
    "Delivery",
    "DuplicateActionExecutorError",
    "Failed",
    "Folder",
    "FormerName",
    "InvalidParametersError",
    "Limited",
    "Link",
    "MissingSourceError",
    "Outcome",
    "Parameters",
    "Paused",
    "Pending",
    "Plugin",
    "Progress",
    "RateLimitedError",
    "Registry",
    "Reporter",
    "RetryClass",
    "Run",
    "Schedule",
    "Secret",
    "SecretReader",
    "Settings",
    "SettingsReader",
    "Signal",
    "Succeeded",
    "Toolbox",
    "Traits",
    "TransientError",
    "Url",
    "WebhookRefusedError",
    "WebhookRequest",
    "Work",
    "open_http_session",
]
