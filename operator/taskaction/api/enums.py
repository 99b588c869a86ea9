"""Phases, kinds of error and policies: closed sets that users read and switch on."""

from enum import StrEnum


class Phase(StrEnum):
    """Where an action stands; only the last four are final."""

    QUEUED = "Queued"
    WAITING_FOR_RESOURCES = "WaitingForResources"
    INITIALIZING = "Initializing"
    RUNNING = "Running"
    PAUSED = "Paused"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ABORTED = "Aborted"
    TIMED_OUT = "TimedOut"

    @property
    def terminal(self) -> bool:
        """True when nothing can happen to the action any more."""
        return self in TERMINAL_PHASES

    @property
    def started(self) -> bool:
        """True while an attempt is under way."""
        return self in STARTED_PHASES


TERMINAL_PHASES = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED, Phase.TIMED_OUT})
STARTED_PHASES = frozenset({Phase.INITIALIZING, Phase.RUNNING, Phase.PAUSED})


class ErrorKind(StrEnum):
    """Whose the mend is: the author's of the action, or the platform's."""

    USER = "User"
    SYSTEM = "System"


class CacheStatus(StrEnum):
    """What a cache of results has done for an action, as whoever runs it says; the operator itself keeps none."""

    DISABLED = "Disabled"
    MISS = "Miss"
    HIT = "Hit"
    POPULATED = "Populated"
    LOOKUP_FAILURE = "LookupFailure"
    PUT_FAILURE = "PutFailure"
    SKIPPED = "Skipped"
    EVICTED = "Evicted"


class RetryClass(StrEnum):
    """The classes of failure that ``retryPolicy.retryOn`` names."""

    ERROR = "Error"
    TIMEOUT = "Timeout"
    RATE_LIMITED = "RateLimited"
    INTERRUPTED = "Interrupted"
    SYSTEM = "System"


class ChildPolicy(StrEnum):
    """What happens to running children when their parent finishes by itself."""

    KEEP = "Keep"
    ABORT = "Abort"


class ProviderKind(StrEnum):
    """Where a provider lives: in the action's namespace, or cluster-wide."""

    ACTION_PROVIDER = "ActionProvider"
    CLUSTER_ACTION_PROVIDER = "ClusterActionProvider"


class ParentKind(StrEnum):
    """What may be the parent of an action."""

    TASK_ACTION = "TaskAction"
    ACTION_FLOW_RUN = "ActionFlowRun"


class Sharding(StrEnum):
    """How finely a provider's actions are spread over replicas."""

    PROVIDER = "Provider"
    PARTITION = "Partition"
    ACTION = "Action"


class OverlapPolicy(StrEnum):
    """What a new action of a busy partition does."""

    QUEUE = "Queue"
    REPLACE = "Replace"
    DROP = "Drop"


class WhenFull(StrEnum):
    """What happens to actions beyond ``limits.maxQueued``."""

    WAIT = "Wait"
    REFUSE = "Refuse"


class ValueFormat(StrEnum):
    """How the text of a Secret or ConfigMap key becomes a parameter."""

    TEXT = "Text"
    JSON = "Json"


class ConditionStatus(StrEnum):
    """The three states of a Kubernetes condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class SignatureAlgorithm(StrEnum):
    """The hash of an HMAC."""

    SHA256 = "SHA256"
    SHA512 = "SHA512"
    SHA1 = "SHA1"


class SignatureEncoding(StrEnum):
    """How a signature is written in a header."""

    HEX = "Hex"
    BASE64 = "Base64"
