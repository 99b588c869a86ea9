"""TaskAction: one invocation of an executor. Fields and their rules; no behaviour beyond reading them."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from taskaction.api.base import (
    AnyJson,
    ApiModel,
    DnsLabel,
    DnsName,
    JsonObject,
    Message,
    ShortText,
    Timestamp,
    Uid,
    UserTimestamp,
)
from taskaction.api.enums import (
    CacheStatus,
    ChildPolicy,
    ErrorKind,
    ParentKind,
    Phase,
    ProviderKind,
    ValueFormat,
)
from taskaction.api.metadata import Condition, Metadata
from taskaction.api.policies import RetryPolicy, RunAs, Timeouts
from taskaction.api.rules import cel, rules, stored_default
from taskaction.api.task_action_rules import object_rules, spec_rules, status_rules


class ProviderRef(ApiModel):
    """Which provider executes the action."""

    kind: Annotated[ProviderKind, Field(json_schema_extra=stored_default("ActionProvider"))] = (
        ProviderKind.ACTION_PROVIDER
    )
    """ActionProvider (in the action's namespace) or ClusterActionProvider. Default ActionProvider."""
    name: DnsName
    """The provider's name."""


class KeyRef(ApiModel):
    """One key of a Secret or ConfigMap in the action's namespace."""

    name: DnsName
    """The object's name."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """The key in it."""
    optional: bool = False
    """When true, a missing object or key leaves the parameter unset instead of failing the action."""


class ParametersSource(ApiModel):
    """One parameter whose value is read when the executor is called, and never stored with the action."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "has(self.secretKeyRef) != has(self.configMapKeyRef)",
                "set exactly one of secretKeyRef and configMapKeyRef",
            )
        )
    )

    parameter: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")]
    """The parameter to set; dots reach into objects, for example `auth.token`."""
    secret_key_ref: KeyRef | None = None
    """The value is a key of a Secret, read with the rights of `runAs`."""
    config_map_key_ref: KeyRef | None = None
    """The value is a key of a ConfigMap, read with the rights of `runAs`."""
    format: ValueFormat = ValueFormat.TEXT
    """Text: the value is a string as it stands. Json: the text is parsed as JSON. Default Text."""


class ParentRef(ApiModel):
    """The action or flow run that this action belongs to: when the parent is aborted or deleted, so is this."""

    kind: Annotated[ParentKind, Field(json_schema_extra=stored_default("TaskAction"))] = ParentKind.TASK_ACTION
    """TaskAction or ActionFlowRun. Default TaskAction."""
    name: DnsName
    """The parent's name, in the same namespace."""
    uid: Uid | None = None
    """The parent's uid, when the creator knows it; a parent of the same name and another uid is then not the parent."""


class Abort(ApiModel):
    """Who ends the action, and why. The object stays as a record; deleting it aborts as well."""

    reason: Message = ""
    """Why the action is aborted."""
    by: ShortText | None = None
    """Who asked for it."""
    at: UserTimestamp | None = None
    """When it was asked for."""


class Signal(ApiModel):
    """A value for an action that waits for one, such as an approval."""

    value: AnyJson
    """The value; the executor says which type it waits for."""
    state: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Of a run of a flow: the state that is meant. Needed where several wait."""
    id: ShortText | None = None
    """Tells the signal from the one before, where both say the same."""
    by: ShortText | None = None
    """Who sent it."""
    at: UserTimestamp | None = None
    """When it was sent."""


class TaskActionSpec(ApiModel):
    """What to do. Only suspend, abort, signal, ttlSecondsAfterFinished and priority may change after creation."""

    model_config = ConfigDict(json_schema_extra=spec_rules)

    executor: DnsLabel | None = None
    """The name of a built-in or plug-in executor. Set either this or `providerRef`."""
    provider_ref: ProviderRef | None = None
    """The provider that binds an executor with its configuration. Set either this or `executor`."""
    parameters: JsonObject = Field(default_factory=dict)
    """JSON for the executor, checked against the provider's `inputSchema` and the executor's own model."""
    parameters_from: Annotated[
        tuple[ParametersSource, ...],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["parameter"]},
        ),
    ] = ()
    """Parameters read from Secrets and ConfigMaps at call time; never copied to status, events or logs."""
    parent_ref: ParentRef | None = None
    """The parent in the same namespace. The operator makes it an ownerReference before anything else happens."""
    child_policy: ChildPolicy | None = None
    """What happens to running children when this action finishes by itself. Default Keep."""
    idempotency_key: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Replaces the uid in derived keys, so that a restored or re-created object does not repeat its effect."""
    not_after: UserTimestamp | None = None
    """Never start later than this; then TimedOut with reason StartDeadlineExceeded."""
    partition_key: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Actions of one provider with the same key run one at a time, in the order of their creation."""
    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    """Orders sources and the global queue, -1000 to 1000, higher first; never inside a partition. Default 0."""
    timeouts: Timeouts | None = None
    """How long each part of the action's life may last. Default: the provider's, else none."""
    retry_policy: RetryPolicy | None = None
    """Whether failed attempts are repeated. Default: the provider's, else not."""
    run_as: RunAs | None = None
    """Whose rights are used. Default: the provider's, else the namespace's `default` ServiceAccount."""
    suspend: bool | None = None
    """While true no new attempt starts; a running one goes on. May change at any time."""
    abort: Abort | None = None
    """Ends the action and its descendants; needs the verb `abort`. Cannot be taken back."""
    signal: Signal | None = None
    """Answers an action that waits; needs the verb `signal`."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=315_360_000)] | None = None
    """How long the finished object is kept. Default: the provider's, else the operator's (24 h)."""


class ActionErrorInfo(ApiModel):
    """What went wrong in an attempt."""

    code: Annotated[str, Field(max_length=128)]
    """A stable CamelCase word."""
    kind: ErrorKind
    """User: the author of the action can mend it. System: the platform can."""
    message: Message
    """What happened, and where known the mend."""


class Attempt(ApiModel):
    """One attempt."""

    number: Annotated[int, Field(ge=1)]
    """1 for the first."""
    phase: Phase
    """Running, or how it ended."""
    started_at: Timestamp
    """When the executor was called."""
    ended_at: Timestamp | None = None
    """When it ended."""
    error: ActionErrorInfo | None = None
    """Why it failed."""
    external_id: ShortText | None = None
    """What the target system calls it."""


class Claim(ApiModel):
    """Who runs the current attempt: the fencing token of every later write."""

    holder: ShortText
    """The replica."""
    epoch: Annotated[int, Field(ge=0)]
    """Grows with every change of owner; a lower one is refused by the API server."""
    at: Timestamp
    """When the attempt was claimed."""
    parameters_hash: Annotated[str, Field(max_length=64)] | None = None
    """A fingerprint of the parameters that were claimed."""


class Progress(ApiModel):
    """How far the action is."""

    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """0 to 100."""
    message: Message = ""
    """What it is doing."""


class Link(ApiModel):
    """Something worth opening."""

    name: Annotated[str, Field(max_length=64)]
    """What it is."""
    url: Annotated[str, Field(max_length=2048)]
    """Where it is."""


class Transition(ApiModel):
    """One change of phase."""

    phase: Phase
    """The phase that was entered."""
    at: Timestamp
    """When."""
    reason: Annotated[str, Field(max_length=128)] = ""
    """Why, as a CamelCase word."""
    message: Message = ""
    """Why, as a sentence."""


_MAP_BY_TYPE = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}


class TaskActionStatus(ApiModel):
    """What has become of the action; written only by the operator."""

    model_config = ConfigDict(json_schema_extra=status_rules)

    phase: Annotated[Phase, Field(json_schema_extra=stored_default("Queued"))] = Phase.QUEUED
    """Queued, WaitingForResources, Initializing, Running or Paused; then Succeeded, Failed, Aborted or TimedOut."""
    reason: Annotated[str, Field(max_length=128)] | None = None
    """Why, as a CamelCase word."""
    message: Message | None = None
    """Why, as a sentence; what `kubectl get` shows."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8, json_schema_extra=_MAP_BY_TYPE)] = ()
    """Progressing, Succeeded, Failed and Finished."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that this status speaks of."""
    attempt: Annotated[int, Field(ge=0)] | None = None
    """The number of the current or last attempt."""
    attempts: Annotated[
        tuple[Attempt, ...],
        Field(max_length=10, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The last 10 attempts, oldest first."""
    system_failures: Annotated[int, Field(ge=0)] | None = None
    """How many attempts the platform ended (errors of kind System)."""
    error: ActionErrorInfo | None = None
    """The error of the last attempt that failed."""
    output: AnyJson = None
    """The JSON result, up to 32 KiB."""
    output_uri: Annotated[str, Field(max_length=2048)] | None = None
    """Where a larger result is stored."""
    cache_status: CacheStatus | None = None
    """What a cache of results has done for the action, where that is known. The operator itself keeps no results."""
    progress: Progress | None = None
    """How far the action is."""
    links: Annotated[
        tuple[Link, ...], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = ()
    """What people look at while it runs."""
    external_id: ShortText | None = None
    """What the target system calls the current attempt."""
    partition_key: Annotated[str, Field(max_length=253)] | None = None
    """The partition that the executor found, where neither the action, its provider nor a parameter names one."""
    claim: Claim | None = None
    """Who runs the current attempt."""
    history: Annotated[
        tuple[Transition, ...],
        Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The last 32 changes of phase, oldest first."""
    started_at: Timestamp | None = None
    """When the first attempt started."""
    finished_at: Timestamp | None = None
    """When the last phase was reached."""
    next_attempt_at: Timestamp | None = None
    """When the next attempt may start, while one is waited for."""
    suspended_at: Timestamp | None = None
    """Since when the action is suspended."""
    suspended_seconds: Annotated[float, Field(ge=0)] | None = None
    """How long it was suspended before, in seconds; `queued` and `total` timeouts stand still meanwhile."""


class TaskAction(ApiModel):
    """One invocation of an executor: applying it starts it, deleting it aborts it and its children."""

    model_config = ConfigDict(json_schema_extra=object_rules)

    metadata: Metadata
    spec: TaskActionSpec
    status: Annotated[TaskActionStatus, Field(json_schema_extra=stored_default({"phase": "Queued"}))] = (
        TaskActionStatus()
    )

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """Read an object as the API server gives it.

        Raises:
            pydantic.ValidationError: an older schema let something through that this one does not know.
        """
        return cls.model_validate(body)
