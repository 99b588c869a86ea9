"""Phases, error kinds and policies: closed sets of values that users read and compare."""

from enum import StrEnum


class Phase(StrEnum):
    """Phase of an action; only the last four are terminal.

    Attributes:
        is_terminal: whether the action has finished.
        is_started: whether an attempt is running.
    """

    QUEUED = "Queued"
    WAITING_FOR_RESOURCES = "WaitingForResources"
    INITIALIZING = "Initializing"
    RUNNING = "Running"
    PAUSED = "Paused"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ABORTED = "Aborted"
    TIMED_OUT = "TimedOut"

    is_terminal: bool
    is_started: bool

    def __init__(self, value: str) -> None:
        """Determine once what is asked a dozen times for each action."""
        self.is_terminal = value in {"Succeeded", "Failed", "Aborted", "TimedOut"}
        self.is_started = value in {"Initializing", "Running", "Paused"}


TERMINAL_PHASES = frozenset(phase for phase in Phase if phase.is_terminal)
STARTED_PHASES = frozenset(phase for phase in Phase if phase.is_started)


class ErrorKind(StrEnum):
    """Who can fix the error: the author of the action (User) or the platform team (System)."""

    USER = "User"
    SYSTEM = "System"


class LogLevel(StrEnum):
    """Level of a log line."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class CacheStatus(StrEnum):
    """Result of a cache lookup for an action, as its runtime reports it; the operator itself has no cache."""

    DISABLED = "Disabled"
    MISS = "Miss"
    HIT = "Hit"
    POPULATED = "Populated"
    LOOKUP_FAILURE = "LookupFailure"
    PUT_FAILURE = "PutFailure"
    SKIPPED = "Skipped"
    EVICTED = "Evicted"


class RetryClass(StrEnum):
    """Classes of failures that ``retryPolicy.retryOn`` selects."""

    ERROR = "Error"
    TIMEOUT = "Timeout"
    RATE_LIMITED = "RateLimited"
    INTERRUPTED = "Interrupted"
    SYSTEM = "System"


class ChildPolicy(StrEnum):
    """What happens to running children when their parent finishes without being aborted."""

    KEEP = "Keep"
    ABORT = "Abort"
    ABORT_ON_FAILURE = "AbortOnFailure"


class ProviderKind(StrEnum):
    """Kind of a provider: in the action's namespace, or cluster-scoped."""

    ACTION_PROVIDER = "ActionProvider"
    CLUSTER_ACTION_PROVIDER = "ClusterActionProvider"


class ParentKind(StrEnum):
    """Kinds of objects that can be the parent of an action."""

    TASK_ACTION = "TaskAction"
    ACTION_FLOW_RUN = "ActionFlowRun"


class Sharding(StrEnum):
    """Granularity at which a provider's actions are distributed over replicas."""

    PROVIDER = "Provider"
    PARTITION = "Partition"
    ACTION = "Action"


class OverlapPolicy(StrEnum):
    """What happens to a new action whose partition is busy."""

    QUEUE = "Queue"
    REPLACE = "Replace"
    DROP = "Drop"


class WhenFull(StrEnum):
    """What happens to actions that exceed ``limits.maxQueued``."""

    WAIT = "Wait"
    REFUSE = "Refuse"


class ValueFormat(StrEnum):
    """How the value of a Secret or ConfigMap key is converted to a parameter."""

    TEXT = "Text"
    JSON = "Json"


class ConditionStatus(StrEnum):
    """Status of a Kubernetes condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class SignatureAlgorithm(StrEnum):
    """Hash algorithm of an HMAC."""

    SHA256 = "SHA256"
    SHA512 = "SHA512"
    SHA1 = "SHA1"


class SignatureEncoding(StrEnum):
    """Encoding of a signature in a header."""

    HEX = "Hex"
    BASE64 = "Base64"


class ConcurrencyPolicy(StrEnum):
    """What a schedule does at a time when an object of an earlier time is unfinished."""

    ALLOW = "Allow"
    FORBID = "Forbid"
    REPLACE = "Replace"


class CatchUpPolicy(StrEnum):
    """Which of the times that were missed a schedule makes up for."""

    NONE = "None"
    LAST = "Last"
    ALL = "All"
