"""TaskAction: one invocation of an executor. Fields and their rules; no behaviour beyond reading them."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from taskaction.api.base import (
    AnyJson,
    ApiModel,
    DnsLabel,
    DnsName,
    ExternalId,
    JsonObject,
    Message,
    ShortText,
    Timestamp,
    Uid,
    UserTimestamp,
    forget_set_fields,
)
from taskaction.api.enums import (
    CacheStatus,
    ChildPolicy,
    ErrorKind,
    LogLevel,
    ParentKind,
    Phase,
    ProviderKind,
    ValueFormat,
)
from taskaction.api.metadata import Conditions, Metadata
from taskaction.api.retries_and_timeouts import RetryPolicy, RunAs, Timeouts
from taskaction.api.rules import cel, rules, stored_default
from taskaction.api.task_action_rules import object_rules, spec_rules, status_rules
from taskaction.core.constants import LOG_LINES_KEPT, PARTITION_KEY_CHARS


class ProviderRef(ApiModel):
    """Reference to the provider that executes the action."""

    kind: Annotated[ProviderKind, Field(json_schema_extra=stored_default("ActionProvider"))] = (
        ProviderKind.ACTION_PROVIDER
    )
    """Kind of the provider: ActionProvider (in the action's namespace) or ClusterActionProvider. Default
    ActionProvider."""
    name: DnsName
    """The provider's name."""


class KeyRef(ApiModel):
    """One key of a Secret or ConfigMap in the action's namespace."""

    name: DnsName
    """The object's name."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """The key in the object."""
    optional: bool = False
    """If true, a missing object or key leaves the parameter unset instead of failing the action."""


class ParametersSource(ApiModel):
    """A parameter whose value is read when the executor is called, and is never stored with the action."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "has(self.secretKeyRef) != has(self.configMapKeyRef)",
                "set exactly one of secretKeyRef and configMapKeyRef",
            )
        )
    )

    parameter: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")]
    """The parameter to set; dots separate the fields of nested objects, for example `auth.token`."""
    secret_key_ref: KeyRef | None = None
    """The value is a key of a Secret, read with the rights of `runAs`."""
    config_map_key_ref: KeyRef | None = None
    """The value is a key of a ConfigMap, read with the rights of `runAs`."""
    format: ValueFormat = ValueFormat.TEXT
    """Text: the value is used as a string. Json: the value is parsed as JSON. Default Text."""


class ParentRef(ApiModel):
    """Reference to the parent action or flow run. If the parent is aborted or deleted, so is this object."""

    kind: Annotated[ParentKind, Field(json_schema_extra=stored_default("TaskAction"))] = ParentKind.TASK_ACTION
    """Kind of the parent: TaskAction or ActionFlowRun. Default TaskAction."""
    name: DnsName
    """The parent's name, in the same namespace."""
    uid: Uid | None = None
    """The parent's uid, if the creator knows it. An object with the same name and another uid is then not the
    parent."""


class Abort(ApiModel):
    """Request to abort the action. The object remains as a record. Deleting the object aborts the action as well."""

    reason: Message = ""
    """Why the action is aborted."""
    by: ShortText | None = None
    """Who requested the abort."""
    at: UserTimestamp | None = None
    """When the abort was requested."""


class Signal(ApiModel):
    """A value for an action that waits for a signal, for example an approval."""

    value: AnyJson
    """The value. The executor defines its type."""
    state: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """For a flow run: the state that receives the signal. Required if several states wait."""
    id: ShortText | None = None
    """Distinguishes the signal from a previous one with the same value."""
    by: ShortText | None = None
    """Who sent the signal."""
    at: UserTimestamp | None = None
    """When the signal was sent."""


class TaskActionSpec(ApiModel):
    """Specification. Only suspend, abort, signal, ttlSecondsAfterFinished and priority may change after creation."""

    model_config = ConfigDict(json_schema_extra=spec_rules)

    executor: DnsLabel | None = None
    """The name of a built-in or plug-in executor. Set either `executor` or `providerRef`."""
    provider_ref: ProviderRef | None = None
    """The provider that binds an executor to a configuration. Set either `providerRef` or `executor`."""
    parameters: JsonObject = Field(default_factory=dict)
    """Input of the executor, validated against the provider's `inputSchema` and the executor's own model."""
    parameters_from: Annotated[
        tuple[ParametersSource, ...],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["parameter"]},
        ),
    ] = ()
    """Parameters that are read from Secrets and ConfigMaps at call time, and never copied to status, events or logs."""
    parent_ref: ParentRef | None = None
    """The parent, in the same namespace. The operator sets the ownerReference before the action starts."""
    child_policy: ChildPolicy | None = None
    """What happens to running children when this action finishes without being aborted: Keep, Abort, or AbortOnFailure
    (aborts them if it failed or timed out). Default Keep."""
    idempotency_key: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Replaces the uid in derived idempotency keys, so that a restored or re-created object does not repeat its
    effect."""
    not_after: UserTimestamp | None = None
    """Latest time of the first start; afterwards TimedOut with reason StartDeadlineExceeded."""
    partition_key: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Actions of one provider with the same partition key run one at a time, in the order of their creation."""
    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    """Priority in the queue, -1000 to 1000, higher first. Has no effect on the order within a partition. Default 0."""
    timeouts: Timeouts | None = None
    """Timeouts for each part of the action's life. Default: the provider's, otherwise none."""
    retry_policy: RetryPolicy | None = None
    """Policy for retrying failed attempts. Default: the provider's, otherwise no retries."""
    run_as: RunAs | None = None
    """The account whose rights are used. Default: the provider's, otherwise the namespace's `default`
    ServiceAccount."""
    suspend: bool | None = None
    """While true, no new attempt starts; a running attempt continues. May change at any time."""
    abort: Abort | None = None
    """Ends the action and its descendants. Requires the verb `abort`. Cannot be undone."""
    signal: Signal | None = None
    """A value for an action that waits for a signal. Requires the verb `signal`."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=315_360_000)] | None = None
    """How long the finished object is kept, in seconds. Default: the provider's, otherwise the operator's setting (24
    h)."""


class ActionErrorInfo(ApiModel):
    """Error of an attempt."""

    code: Annotated[str, Field(max_length=128)]
    """Machine-readable error code, in CamelCase."""
    kind: ErrorKind
    """Who can fix the error: User (the author of the action) or System (the platform team)."""
    message: Message
    """Description of the error and, if known, the remedy."""


class Attempt(ApiModel):
    """One attempt to execute the action."""

    number: Annotated[int, Field(ge=1)]
    """Number of the attempt; the first is 1."""
    phase: Phase
    """Running, or the phase in which the attempt ended."""
    started_at: Timestamp
    """When the executor was called."""
    initializing_at: Timestamp | None = None
    """When there was room for the work, such as a node for its pod, if the executor reports it."""
    running_at: Timestamp | None = None
    """When the work began to run, if the executor reports it."""
    ended_at: Timestamp | None = None
    """When the attempt ended."""
    error: ActionErrorInfo | None = None
    """Why the attempt failed."""
    external_id: ExternalId | None = None
    """The target system's id of the attempt."""
    idempotency_key: Annotated[str, Field(max_length=384)] | None = None
    """The key that targets get for the attempt, if `spec.idempotencyKey` is set: namespace, key and number."""


class Claim(ApiModel):
    """The owner of the current attempt, and the fencing token of its writes."""

    holder: ShortText
    """The replica that owns the attempt."""
    epoch: Annotated[int, Field(ge=0)]
    """Increases with every change of owner. The API server refuses writes with a lower epoch."""
    at: Timestamp
    """When the attempt was claimed."""
    parameters_hash: Annotated[str, Field(max_length=64)] | None = None
    """Fingerprint of the parameters of the claimed attempt."""


class LogLine(ApiModel):
    """A line of the action's log."""

    number: Annotated[int, Field(ge=1)]
    """Number of the line in its attempt; the first is 1. Only the last 20 lines are kept."""
    at: Timestamp
    """When the executor reported it."""
    level: LogLevel
    """DEBUG, INFO, WARN or ERROR."""
    message: Message
    """The text."""


class Progress(ApiModel):
    """Progress of the action."""

    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """Progress in percent, 0 to 100."""
    message: Message = ""
    """Description of the current work."""
    label: Annotated[str, Field(max_length=64)] | None = None
    """Short label of the state, from the executor."""
    log: (
        Annotated[
            tuple[LogLine, ...],
            Field(max_length=LOG_LINES_KEPT, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
        ]
        | None
    ) = None
    """The last 20 lines that the executor logged in this attempt, oldest first."""
    output: AnyJson = None
    """The output so far, as JSON up to 16 KiB. The output at the end is in `status.output`."""


class Link(ApiModel):
    """A link for people who look at the action."""

    name: Annotated[str, Field(max_length=64)]
    """Name of the link."""
    url: Annotated[str, Field(max_length=2048)]
    """URL of the link."""


class PodAddress(ApiModel):
    """A pod that can be reached."""

    namespace: ShortText | None = None
    """Namespace of the pod."""
    name: ShortText | None = None
    """Name of the pod."""
    ip: ShortText | None = None
    """IP address of the pod."""
    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Port in the pod."""


class Address(ApiModel):
    """Where an attempt can be reached while it runs, as its program reported."""

    pod: PodAddress | None = None
    """The pod that serves the address."""
    path: Annotated[str, Field(max_length=2048)] | None = None
    """Path of the URL."""
    url: Annotated[str, Field(max_length=2048)] | None = None
    """URL from outside the cluster."""
    cluster: ShortText | None = None
    """The cluster, if there are several."""


class Transition(ApiModel):
    """A phase transition."""

    phase: Phase
    """The phase that was entered."""
    at: Timestamp
    """When the phase was entered."""
    reason: Annotated[str, Field(max_length=128)] = ""
    """Machine-readable reason, in CamelCase."""
    message: Message = ""
    """Human-readable reason."""


class TaskActionStatus(ApiModel):
    """Observed state of the action; written only by the operator."""

    model_config = ConfigDict(json_schema_extra=status_rules)

    phase: Annotated[Phase, Field(json_schema_extra=stored_default("Queued"))] = Phase.QUEUED
    """Phase of the action: Queued, WaitingForResources, Initializing, Running or Paused; then Succeeded, Failed,
    Aborted or TimedOut."""
    reason: Annotated[str, Field(max_length=128)] | None = None
    """Machine-readable reason for the phase, in CamelCase."""
    message: Message | None = None
    """Human-readable reason for the phase; `kubectl get` shows it."""
    conditions: Conditions = ()
    """Conditions: Progressing and Finished; at the end Finished and Succeeded, and Failed if it did not succeed."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that this status describes."""
    attempt: Annotated[int, Field(ge=0)] | None = None
    """Number of the current or last attempt."""
    attempts: Annotated[
        tuple[Attempt, ...],
        Field(max_length=10, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The last 10 attempts, oldest first. Absent if the only attempt succeeded and has nothing more to say."""
    system_failures: Annotated[int, Field(ge=0)] | None = None
    """Number of attempts that ended with an error of kind System."""
    error: ActionErrorInfo | None = None
    """The error of the last attempt that failed."""
    output: AnyJson = None
    """The output as JSON, up to 32 KiB, or 200 KiB for the action of a flow run. A larger one is at `outputUri`. Until
    the action has finished, this is what its executor has reported so far, if anything."""
    output_uri: Annotated[str, Field(max_length=2048)] | None = None
    """URI of an output that is stored outside of the object: in the folder of `TASKACTION_STORAGE` as JSON, or where
    the executor puts it."""
    output_digest: Annotated[str, Field(max_length=128)] | None = None
    """Digest of the file at `outputUri`, such as `sha256:` with 64 hexadecimal digits. Only for an output that the
    operator has stored; readers check it."""
    output_size: Annotated[int, Field(ge=0)] | None = None
    """Size in bytes of an output that does not fit into the object. Without `outputUri` the output was not kept."""
    cache_status: CacheStatus | None = None
    """Result of a cache lookup for the action, if known. The operator itself has no cache."""
    progress: Progress | None = None
    """Progress of the action."""
    links: Annotated[
        tuple[Link, ...], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = ()
    """Links for people who look at the action."""
    external_id: ExternalId | None = None
    """The target system's id of the current attempt."""
    address: Address | None = None
    """Where the current attempt can be reached, if its program has reported it."""
    partition_key: Annotated[str, Field(max_length=PARTITION_KEY_CHARS)] | None = None
    """The partition key of the action: its own, that of its provider or parameters, or the one from the executor. It is
    written with the first status; `taskaction describe` shows it before."""
    claim: Claim | None = None
    """The owner of the current attempt. Absent if the action has ended before its claim was written."""
    history: Annotated[
        tuple[Transition, ...],
        Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The last 32 phase transitions, oldest first. Absent if the action only started and succeeded."""
    started_at: Timestamp | None = None
    """When the first attempt started."""
    finished_at: Timestamp | None = None
    """When the action finished."""
    queued_at: Timestamp | None = None
    """When the current attempt was queued: the end of the delay before a retry; unset for the first attempt."""
    next_attempt_at: Timestamp | None = None
    """When the next attempt may start; unset unless one is waiting."""
    suspended_at: Timestamp | None = None
    """When the action was suspended; unset while it is not."""
    suspended_seconds: Annotated[float, Field(ge=0)] | None = None
    """Total time of earlier suspensions in seconds. It does not count towards the timeouts `queued` and `total`."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form that the API server stores: the phase, and what differs from its default."""
        changed = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
        return {"phase": str(self.phase)} | changed


class TaskAction(ApiModel):
    """One invocation of an executor. Creating the object starts the action; deleting it aborts it and its children."""

    model_config = ConfigDict(json_schema_extra=object_rules)

    metadata: Metadata
    spec: TaskActionSpec
    status: Annotated[TaskActionStatus, Field(json_schema_extra=stored_default({"phase": "Queued"}))] = (
        TaskActionStatus()
    )

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """Return the model of an object from the API server, small in memory; raise ``pydantic.ValidationError``."""
        is_new = body.get("status") == {"phase": "Queued"}  # the default, which all of these share
        action = cls.model_validate({**body, "status": cls.model_fields["status"].default} if is_new else body)
        forget_set_fields(action, action.metadata, action.spec)
        return action
