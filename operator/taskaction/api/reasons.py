"""Every reason in a status: stable CamelCase words that scripts and alerts compare."""

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """Reason for the state of an action, an attempt, a provider or a flow.

    Each member has a description and, where somebody can act, a remedy; the reference page is generated from them.
    Executors add reasons of their own for failures, such as ``Http404``.
    """

    description: str
    remedy: str

    def __new__(cls, value: str, description: str = "", remedy: str = "") -> Self:
        """Store the description and the remedy, Markdown without a full stop, with the member."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        member.remedy = remedy
        return member

    # Under way
    QUEUED = (
        "Queued",
        "the action waits for a worker or for its partition",
        "`taskaction describe` shows what it waits for, and its position; `taskaction doctor` whether an operator runs",
    )
    SUSPENDED = "Suspended", "`spec.suspend` is true", "set it to false"
    BACKING_OFF = (
        "BackingOff",
        "the last attempt failed, the next one is delayed",
        "see `status.error` for the cause and `status.nextAttemptAt` for the time",
    )
    RATE_LIMITED = (
        "RateLimited",
        "the rate limit of the target or of the provider (`limits.rate`) is reached",
        "none needed: the action continues at about `status.nextAttemptAt`",
    )
    PROVIDER_NOT_FOUND = (
        "ProviderNotFound",
        "the provider in `providerRef` does not exist",
        "create the provider, or a new action with the correct name",
    )
    PROVIDER_NOT_READY = "ProviderNotReady", "the provider exists but is not ready", "see its condition `Ready`"
    EXECUTING = "Executing", "an attempt is running"
    WAITING_FOR_COMPLETION = "WaitingForCompletion", "the work runs in the target system and is polled until it ends"
    WAITING_FOR_SIGNAL = "WaitingForSignal", "the action waits for `spec.signal`", "send the signal"
    PAUSED = "Paused", "the executor waits for a person", "do what the message asks for"
    ABORTING = (
        "Aborting",
        "the executor is cancelling the attempt: the action ends, or the attempt failed or took too long",
        "none needed: the limit is `TASKACTION_CANCEL_GRACE`",
    )

    # Ended well
    COMPLETED = "Completed", "the action succeeded"

    # Ended otherwise
    EXECUTION_FAILED = "ExecutionFailed", "the executor failed without a code of its own", "see the message"
    INVALID_PARAMETERS = (
        "InvalidParameters",
        "the executor or the provider's `inputSchema` rejects the parameters",
        "fix the field that the message names",
    )
    INVALID_OUTPUT = (
        "InvalidOutput",
        "the output is not valid JSON, or the provider's `outputSchema` rejects it",
        "fix the executor or the schema",
    )
    OUTPUT_TOO_LARGE = (
        "OutputTooLarge",
        "the output does not fit into the object, and there is no storage for it",
        "return a part of it, or set `TASKACTION_STORAGE`; the message says how large it may be",
    )
    OUTPUT_LOST = (
        "OutputLost",
        "the action took effect, but the file with its output is missing or was changed",
        "see the message; look for the file in the folder of `TASKACTION_STORAGE`, and for who may write there",
    )
    PARTITION_KEY_FAILED = (
        "PartitionKeyFailed",
        "the executor failed to determine the partition key",
        "contact the author of the executor",
    )
    OBJECT_TOO_LARGE = (
        "ObjectTooLarge",
        "the object is so large that the API server stores no status in it, or not the whole one",
        "delete the object, and create one with smaller parameters, annotations or labels",
    )
    PARAMETERS_TOO_LARGE = (
        "ParametersTooLarge",
        "`spec.parameters` is larger than `TASKACTION_MAX_PARAMETERS_BYTES`",
        "store the data elsewhere, and pass its address",
    )
    BUDGET_EXCEEDED = (
        "BudgetExceeded",
        "the evaluation of a schema, value or definition requires more CPU time or memory than its budget",
        "make what the message names smaller or simpler",
    )
    NO_RESULT_REPORTED = "NoResultReported", "the executor returned no outcome", "contact the author of the executor"
    PARAMETERS_SOURCE_NOT_FOUND = (
        "ParametersSourceNotFound",
        "a Secret, ConfigMap or key is missing",
        "create it; the attempt is retried as class `Error`",
    )
    SECRET_TOO_SHORT = (
        "SecretTooShort",
        "a value from a Secret has fewer than 8 bytes, so it cannot be recognized in what the target returns",
        "use a longer value; or a plain parameter, if the value is not secret",
    )
    SECRET_TOO_LONG = (
        "SecretTooLong",
        "the values from Secrets are too many or too long to be searched for in what the target returns",
        "use only the values that the action needs, each in its own key",
    )
    SECRET_EXPOSED = (
        "SecretExposed",
        "the executor would show the value of a Secret, in an object or a message",
        "see the message; for `job` and `pod`, use environment variables",
    )
    SECRET_RETURNED = (
        "SecretReturned",
        "the target's id of the started work contains the value of a Secret, so it cannot be stored",
        "choose another `externalId`; stop the work at the target, if it still runs",
    )
    FORBIDDEN = "Forbidden", "the ServiceAccount lacks a permission", "add the RoleBinding that the message names"
    ADDRESS_DENIED = (
        "AddressDenied",
        "the operator may not connect to the address",
        "see `TASKACTION_HTTP_ALLOWED_CIDRS`",
    )
    UNKNOWN_EXECUTOR = (
        "UnknownExecutor",
        "there is no executor with this name",
        "use one that the message lists, or install the plug-in",
    )
    PROVIDER_NOT_ALLOWED = (
        "ProviderNotAllowed",
        "the provider's `allowedNamespaces` does not include this namespace",
        "ask the platform team",
    )
    PARENT_NOT_FOUND = (
        "ParentNotFound",
        "the parent in `parentRef` does not exist in this namespace",
        "create the parent first",
    )
    PARENT_FINISHED = (
        "ParentFinished",
        "the parent finished before the child was adopted",
        "create the child while the parent is running",
    )
    SPEC_CHANGED = (
        "SpecChanged",
        "the parameters differ from those of the claimed attempt",
        "create a new action; install the admission policies",
    )
    INTERRUPTED = (
        "Interrupted",
        "the process that ran the attempt stopped; it is unknown whether the attempt took effect",
        "check the target, then create a new action; or add `Interrupted` to `retryOn` if repeating is harmless",
    )
    SYSTEM_ERROR = (
        "SystemError",
        "the platform failed, or the API server rejected the status",
        "see the message, then the operator's log",
    )
    REPORTED = "Reported", "the external system that runs the attempt reported its failure", "see the message"

    # Ended from outside
    ABORTED = "Aborted", "`spec.abort` was set"
    DELETED = "Deleted", "the object was deleted"
    PARENT_ABORTED = "ParentAborted", "an ancestor was aborted"
    PARENT_DELETED = "ParentDeleted", "an ancestor was deleted"
    PARENT_COMPLETED = "ParentCompleted", "an ancestor finished whose `childPolicy` aborts its children"
    DROPPED = (
        "Dropped",
        "another action with the same partition key was unfinished, and `overlapPolicy` is `Drop`",
        "create the action again later",
    )
    REPLACED = "Replaced", "a newer action has the same partition key, and `overlapPolicy` is `Replace`"
    QUEUE_FULL = (
        "QueueFull",
        "the provider's `maxQueued` or the operator's high watermark is reached",
        "`WaitingForResources`: none needed, the action starts when there is room; `Failed`: create the action again",
    )

    # Ended too late
    QUEUED_TIMEOUT = "QueuedTimeout", "the action waited longer than `timeouts.queued`", "create the action again later"
    ATTEMPT_TIMEOUT = (
        "AttemptTimeout",
        "an attempt took longer than `timeouts.attempt` or `timeouts.running`, or one call than the operator allows",
        "raise the timeout; if it says that work may continue, and repeating that is harmless, retry `Interrupted`",
    )
    TOTAL_TIMEOUT = "TotalTimeout", "all attempts together took longer than `timeouts.total`", "raise the timeout"
    START_DEADLINE_EXCEEDED = (
        "StartDeadlineExceeded",
        "the action did not start before `spec.notAfter`",
        "create a new action",
    )

    # Providers
    READY = "Ready", "actions can be started"
    INVALID_CONFIG = "InvalidConfig", "the executor rejects `config`", "fix the field that the message names"
    SECRET_NOT_ALLOWED = (
        "SecretNotAllowed",
        "an ActionProvider names a Secret of another namespace, which only a ClusterActionProvider may",
        "copy the Secret to the provider's namespace and remove the field that the message names",
    )
    INVALID_SCHEMA = (
        "InvalidSchema",
        "`inputSchema` or `outputSchema` of a provider or flow is not a usable JSON Schema",
        "see the message",
    )

    # Schedules
    INVALID_SCHEDULE = (
        "InvalidSchedule",
        "`cron` or `timeZone` of a schedule is invalid, or no time matches it",
        "fix the field that the message names",
    )
    INVALID_TEMPLATE = (
        "InvalidTemplate",
        "the `template` of a schedule is not a valid object of its kind, or it requires `runAs`",
        "fix the field that the message names",
    )
    NAME_TAKEN = (
        "NameTaken",
        "another object has the name of the object that a schedule had to make, so that time was missed",
        "delete or rename the object that the message names; the next time is not affected",
    )
    SCHEDULE_ENDED = "ScheduleEnded", "the schedule has no times after the present one", "set a later `endAt`"
    TIME_MISSED = (
        "TimeMissed",
        "a schedule made no object for one or more of its times",
        "see the message; `catchUp` and `startingDeadlineSeconds` say what happens to missed times",
    )

    # Flows
    VALID = "Valid", "the flow can be run"
    INVALID_DEFINITION = (
        "InvalidDefinition",
        "`definition` is not a valid flow definition",
        "fix the problems in `status.problems`",
    )
    FLOW_NOT_FOUND = (
        "FlowNotFound",
        "the ActionFlow in the run's `flowRef` does not exist",
        "create the ActionFlow; the run waits for it",
    )
    INVALID_INPUT = (
        "InvalidInput",
        "the flow's `inputSchema` rejects the `input` of a run, or the input is nested too deeply",
        "fix the field that the message names",
    )
    STORAGE_UNAVAILABLE = (
        "StorageUnavailable",
        "an output, or the state of a run, is too large for its object, and the storage is unavailable",
        "see the message and `TASKACTION_STORAGE`; the action or run continues without loss when the storage is back",
    )
    WEBHOOK_UNMATCHED = (
        "WebhookUnmatched",
        "webhook requests of the provider were accepted, and match no action",
        "check `webhook.externalIdPath`, and let `webhook.filter` pass only requests about actions",
    )
    DELIVERY_LOST = (
        "DeliveryLost",
        "the body of a webhook request that was stored for the action is missing or changed, so it had no effect",
        "find out who deleted or changed it, and have the sender repeat the request",
    )
    STATE_LOST = (
        "StateLost",
        "the file with the state of a run is missing from the storage or was modified",
        "create the run again; only the operator may write to the folder",
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        "a ResourceQuota of the namespace leaves no room for an object",
        "delete finished objects, or raise the quota; what waits continues when there is room",
    )
    FLOW_FAILED = (
        "FlowFailed",
        "a state of the run failed, and no `Catch` handled the error",
        "see `status.error` and `status.log`",
    )


PASSING_REASONS = frozenset(
    {
        Reason.QUEUED,
        Reason.SUSPENDED,
        Reason.BACKING_OFF,
        Reason.EXECUTING,
        Reason.WAITING_FOR_COMPLETION,
        Reason.WAITING_FOR_SIGNAL,
        Reason.PAUSED,
        Reason.ABORTING,
        Reason.COMPLETED,
        Reason.READY,
        Reason.VALID,
        Reason.WEBHOOK_UNMATCHED,
        Reason.DELIVERY_LOST,
    }
)
"""Reasons with which no action or run ends without success; the client library has an error class for each other."""


class ConditionType(StrEnum):
    """Condition types of the API; use ``Finished`` with ``kubectl wait``."""

    PROGRESSING = "Progressing"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    FINISHED = "Finished"
    READY = "Ready"
    VALID = "Valid"
