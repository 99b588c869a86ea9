"""Every reason that a status can carry: stable CamelCase words that scripts and alerts compare."""

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """Why an action, an attempt, a provider or a flow is as it is.

    Each member says what it means and, where somebody can do something about it, how to mend it; the reference page
    is made of that. Executors add words of their own for failures, such as ``Http404``.
    """

    means: str
    mend: str

    def __new__(cls, value: str, means: str = "", mend: str = "") -> Self:
        """Keep both sentences, Markdown without an end mark, beside the word."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.means = means
        member.mend = mend
        return member

    # Under way
    QUEUED = (
        "Queued",
        "waits for a worker or its turn",
        "`-o wide` shows the partition; else the operator is busy or gone",
    )
    SUSPENDED = "Suspended", "`spec.suspend` holds it back", "set it to false"
    BACKING_OFF = (
        "BackingOff",
        "the last attempt failed, the next one waits",
        "`status.error` says why; `status.nextAttemptAt` when",
    )
    RATE_LIMITED = (
        "RateLimited",
        "the target's limit is reached, or the provider's `rate`",
        "it goes on by itself; `status.nextAttemptAt` says about when",
    )
    PROVIDER_NOT_FOUND = (
        "ProviderNotFound",
        "`providerRef` names none that exists",
        "create it, or mend the name in a new action",
    )
    PROVIDER_NOT_READY = "ProviderNotReady", "the provider exists and cannot be used", "see its condition `Ready`"
    EXECUTING = "Executing", "an attempt runs"
    WAITING_FOR_COMPLETION = "WaitingForCompletion", "started outside, polled until it ends"
    WAITING_FOR_SIGNAL = "WaitingForSignal", "waits for `spec.signal`", "answer it"
    PAUSED = "Paused", "the executor asks a person to do something", "the message says what"
    ABORTING = "Aborting", "the executor was told to stop", "it has `TASKACTION_CANCEL_GRACE`"

    # Ended well
    COMPLETED = "Completed", "it succeeded"

    # Ended otherwise
    EXECUTION_FAILED = "ExecutionFailed", "the executor failed without a code of its own", "the message"
    INVALID_PARAMETERS = (
        "InvalidParameters",
        "the executor or the provider's schema refuses them",
        "the message names the field",
    )
    INVALID_OUTPUT = (
        "InvalidOutput",
        "the result is no JSON, or the provider's `outputSchema` refuses it",
        "the executor or the schema",
    )
    OUTPUT_TOO_LARGE = "OutputTooLarge", "the result has more than 32 KiB", "choose a part, or store it elsewhere"
    PARTITION_KEY_FAILED = (
        "PartitionKeyFailed",
        "the executor could not say in which partition the action is",
        "its author",
    )
    NO_RESULT_REPORTED = "NoResultReported", "the executor returned no outcome", "its author"
    PARAMETERS_SOURCE_NOT_FOUND = (
        "ParametersSourceNotFound",
        "a Secret, ConfigMap or key is missing",
        "create it; retried as `Error`",
    )
    FORBIDDEN = "Forbidden", "the ServiceAccount lacks a right", "the message names the RoleBinding to add"
    ADDRESS_DENIED = "AddressDenied", "an address that the operator may not reach", "`TASKACTION_HTTP_ALLOWED_CIDRS`"
    UNKNOWN_EXECUTOR = (
        "UnknownExecutor",
        "no executor has this name",
        "the message lists those that exist; for a provider, install the plug-in",
    )
    PROVIDER_NOT_ALLOWED = (
        "ProviderNotAllowed",
        "`allowedNamespaces` leaves this namespace out",
        "ask the platform team",
    )
    PARENT_NOT_FOUND = "ParentNotFound", "`parentRef` names no action of this namespace", "create the parent first"
    PARENT_FINISHED = (
        "ParentFinished",
        "the parent had ended before the child was adopted",
        "create the child while the parent runs",
    )
    SPEC_CHANGED = (
        "SpecChanged",
        "the parameters differ from those that were claimed",
        "make a new action; install the admission policies",
    )
    INTERRUPTED = (
        "Interrupted",
        "the process that ran the attempt is gone; whether it took effect is not known",
        "look at the target, then make a new action, or add `Interrupted` to `retryOn` where a repeat does no harm",
    )
    SYSTEM_ERROR = (
        "SystemError",
        "the platform failed, not the action; or the API server refused the status",
        "the message, then the operator's log",
    )
    REPORTED = "Reported", "somebody outside, who runs the attempt, reported that it failed", "the message says who"

    # Ended from outside
    ABORTED = "Aborted", "`spec.abort`"
    DELETED = "Deleted", "the object is being deleted"
    PARENT_ABORTED = "ParentAborted", "an ancestor was aborted"
    PARENT_DELETED = "ParentDeleted", "an ancestor was deleted"
    PARENT_COMPLETED = "ParentCompleted", "an ancestor with `childPolicy: Abort` finished"
    DROPPED = (
        "Dropped",
        "another action with the same partition key was under way, and `overlapPolicy: Drop`",
        "start it again later",
    )
    REPLACED = "Replaced", "a newer action with the same partition key, and `overlapPolicy: Replace`"
    QUEUE_FULL = (
        "QueueFull",
        "as many wait as the provider's `maxQueued` allows, or the operator's high watermark",
        "`WaitingForResources`: it is let in by itself; `Failed`: start it again later",
    )

    # Ended too late
    QUEUED_TIMEOUT = "QueuedTimeout", "it waited longer than `timeouts.queued`", "start it again later"
    ATTEMPT_TIMEOUT = (
        "AttemptTimeout",
        "an attempt took longer than `timeouts.attempt`",
        "`retryOn: [Timeout]`, or a longer time",
    )
    TOTAL_TIMEOUT = "TotalTimeout", "it took longer than `timeouts.total`, with all attempts", "a longer time"
    START_DEADLINE_EXCEEDED = "StartDeadlineExceeded", "`spec.notAfter` has passed", "make a new action"

    # Providers
    READY = "Ready", "actions can be started"
    INVALID_CONFIG = "InvalidConfig", "the executor refuses `config`", "the message names the field"
    INVALID_SCHEMA = (
        "InvalidSchema",
        "`inputSchema` or `outputSchema`, also of a flow, is no schema that can be used",
        "the message",
    )

    # Flows
    VALID = "Valid", "the flow can be run"
    INVALID_DEFINITION = (
        "InvalidDefinition",
        "`definition` says something that no flow can",
        "`status.problems`, each with its path",
    )
    FLOW_NOT_FOUND = (
        "FlowNotFound",
        "there is no ActionFlow of the name in a run's `flowRef`",
        "apply it: the run waits",
    )
    INVALID_INPUT = (
        "InvalidInput",
        "the flow's `inputSchema` refuses the `input` of a run, or it is nested too deeply",
        "the message names the field",
    )
    STORAGE_UNAVAILABLE = (
        "StorageUnavailable",
        "the state or the output of a run is too large for its object, and the storage does not answer",
        "the message, and `TASKACTION_FLOWS_STORAGE`; it goes on by itself, and nothing is lost",
    )
    STATE_LOST = (
        "StateLost",
        "the file with the state of a run is gone from the storage, or is not what was written there",
        "start the run again, and leave the folder to the operator alone",
    )
    FLOW_FAILED = (
        "FlowFailed",
        "a state of the run failed, and nothing caught the error",
        "`status.error`, and the log in `status.log`",
    )


class ConditionType(StrEnum):
    """The condition types of the API; ``Finished`` is what ``kubectl wait`` waits for."""

    PROGRESSING = "Progressing"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    FINISHED = "Finished"
    READY = "Ready"
    VALID = "Valid"
