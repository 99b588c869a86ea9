"""Every reason that a status can carry: stable CamelCase words that scripts and alerts compare."""

from enum import StrEnum


class Reason(StrEnum):
    """Why an action, an attempt, a provider or a flow is as it is; each member says it in one line."""

    # under way
    QUEUED = "Queued"  # waits for a worker
    SUSPENDED = "Suspended"  # spec.suspend holds it back
    BACKING_OFF = "BackingOff"  # failed; the next attempt waits
    RATE_LIMITED = "RateLimited"  # the target's limit is reached; looked at again later
    PROVIDER_NOT_FOUND = "ProviderNotFound"  # spec.providerRef names none that exists
    PROVIDER_NOT_READY = "ProviderNotReady"  # the provider exists and cannot be used
    EXECUTING = "Executing"  # an attempt runs
    WAITING_FOR_COMPLETION = "WaitingForCompletion"  # started outside; polled until it ends
    WAITING_FOR_SIGNAL = "WaitingForSignal"  # waits for spec.signal
    PAUSED = "Paused"  # the executor asks a person to do something
    ABORTING = "Aborting"  # the executor has been told to stop
    # ended well
    COMPLETED = "Completed"
    # ended otherwise: the action's own doing
    EXECUTION_FAILED = "ExecutionFailed"
    INVALID_PARAMETERS = "InvalidParameters"
    INVALID_OUTPUT = "InvalidOutput"  # the provider's outputSchema refuses it
    OUTPUT_TOO_LARGE = "OutputTooLarge"
    PARTITION_KEY_FAILED = "PartitionKeyFailed"  # the executor could not say in which partition the action is
    NO_RESULT_REPORTED = "NoResultReported"  # the executor returned nothing that is an outcome
    PARAMETERS_SOURCE_NOT_FOUND = "ParametersSourceNotFound"  # a Secret, ConfigMap or key is missing
    FORBIDDEN = "Forbidden"  # spec.runAs lacks a right
    ADDRESS_DENIED = "AddressDenied"  # an address that the operator may not reach
    UNKNOWN_EXECUTOR = "UnknownExecutor"
    PROVIDER_NOT_ALLOWED = "ProviderNotAllowed"  # allowedNamespaces leaves this namespace out
    PARENT_NOT_FOUND = "ParentNotFound"
    PARENT_FINISHED = "ParentFinished"
    SPEC_CHANGED = "SpecChanged"  # parameters differ from those that were claimed
    INTERRUPTED = "Interrupted"  # the process that ran the attempt is gone
    SYSTEM_ERROR = "SystemError"  # the operator's own fault
    REPORTED = "Reported"  # somebody outside, who runs the attempt, said that it failed
    # ended from outside
    ABORTED = "Aborted"
    DELETED = "Deleted"
    PARENT_ABORTED = "ParentAborted"
    PARENT_DELETED = "ParentDeleted"
    PARENT_COMPLETED = "ParentCompleted"  # childPolicy: Abort
    DROPPED = "Dropped"  # overlapPolicy: Drop
    REPLACED = "Replaced"  # overlapPolicy: Replace
    QUEUE_FULL = "QueueFull"
    # too late
    QUEUED_TIMEOUT = "QueuedTimeout"
    ATTEMPT_TIMEOUT = "AttemptTimeout"
    TOTAL_TIMEOUT = "TotalTimeout"
    START_DEADLINE_EXCEEDED = "StartDeadlineExceeded"  # spec.notAfter has passed
    # providers
    READY = "Ready"
    INVALID_CONFIG = "InvalidConfig"
    INVALID_SCHEMA = "InvalidSchema"
    # flows
    VALID = "Valid"
    INVALID_DEFINITION = "InvalidDefinition"
    FLOW_NOT_FOUND = "FlowNotFound"  # spec.flowRef names none that exists
    INVALID_INPUT = "InvalidInput"  # the flow's inputSchema refuses it
    FLOW_FAILED = "FlowFailed"  # a state failed, and nothing caught it


class ConditionType(StrEnum):
    """The condition types of the API; ``Finished`` is what ``kubectl wait`` waits for."""

    PROGRESSING = "Progressing"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    FINISHED = "Finished"
    READY = "Ready"
    VALID = "Valid"
