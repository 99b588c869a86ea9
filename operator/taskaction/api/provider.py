"""ActionProvider and ClusterActionProvider: executors that a platform team offers. Fields and rules only."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from taskaction.api.base import ApiModel, DnsLabel, JsonObject, Message, PositiveDuration, Timestamp
from taskaction.api.enums import OverlapPolicy, ProviderKind, Sharding, WhenFull
from taskaction.api.metadata import Conditions, Metadata
from taskaction.api.retries_and_timeouts import RetryPolicy, RunAs, Timeouts, initial_within_max_rule
from taskaction.api.rules import cel, immutable_rule, name_length_rule, rules, stored_default
from taskaction.api.webhook import Webhook


class Rate(ApiModel):
    """A rate limit (token bucket) over all replicas."""

    requests: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of starts that are allowed per period `per`."""
    per: PositiveDuration
    """The period for `requests`, for example 1m."""
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Maximum number of starts at once. Default: `requests`."""


class Limits(ApiModel):
    """Limits on the use of a provider."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.maxConcurrent) || !has(self.maxConcurrentPerPartition)"
                " || self.maxConcurrentPerPartition <= self.maxConcurrent",
                "maxConcurrentPerPartition cannot be greater than maxConcurrent: lower it or raise maxConcurrent",
                fieldPath=".maxConcurrentPerPartition",
            ),
            cel(
                "!has(self.whenFull) || has(self.maxQueued)",
                "whenFull has no effect without maxQueued: set maxQueued too",
            ),
        )
    )

    max_concurrent: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Maximum number of concurrent attempts. Default unlimited."""
    max_concurrent_per_partition: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Maximum number of concurrent attempts with the same partition key. Default 1."""
    max_queued: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Maximum number of queued actions. Default unlimited."""
    when_full: WhenFull | None = None
    """What happens to actions that exceed `maxQueued`: Wait, or Refuse (Failed with reason QueueFull). Default Wait."""
    rate: Rate | None = None
    """Rate limit for starts. Default unlimited."""


class Poll(ApiModel):
    """Intervals at which a started action is polled, if the executor does not set them."""

    model_config = ConfigDict(json_schema_extra=initial_within_max_rule())

    initial: PositiveDuration | None = None
    """The first interval. Default 1s."""
    factor: Annotated[float, Field(ge=1, le=10)] | None = None
    """Factor by which each further interval grows, 1 to 10. Default 2."""
    max: PositiveDuration | None = None
    """The maximum interval. Default 10m."""


class ProviderDefaults(ApiModel):
    """Defaults for actions of this provider that do not set these fields."""

    retry_policy: RetryPolicy | None = None
    """Policy for retrying failed attempts."""
    timeouts: Timeouts | None = None
    """Timeouts for each part of an action's life."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=315_360_000)] | None = None
    """How long finished actions are kept, in seconds."""
    run_as: RunAs | None = None
    """The account whose rights are used."""


_SPEC_RULES = (
    immutable_rule("sharding", "running actions would change their owner, so create a new provider"),
    immutable_rule("partitionKeyPath", "queued actions would lose their order, so create a new provider"),
    cel(
        "self.sharding == 'Provider' || !has(self.limits)"
        " || !(has(self.limits.maxConcurrent) || has(self.limits.maxQueued) || has(self.limits.rate))",
        "maxConcurrent, maxQueued and rate require sharding Provider: use it, or remove these limits",
        fieldPath=".limits",
    ),
    cel(
        "self.sharding != 'Action' || !(has(self.partitionKeyPath) || has(self.overlapPolicy)"
        " || (has(self.limits) && has(self.limits.maxConcurrentPerPartition)))",
        "sharding Action has no partitions: use Partition or Provider, or remove partitionKeyPath,"
        " overlapPolicy and maxConcurrentPerPartition",
        fieldPath=".sharding",
    ),
)
_OWN_NAMESPACE_RULE = cel(
    "!has(self.webhook) || !("
    "(has(self.webhook.authentication.hmac) && has(self.webhook.authentication.hmac.secretKeyRef.__namespace__)) || "
    "(has(self.webhook.authentication.basic) && "
    "has(self.webhook.authentication.basic.passwordSecretKeyRef.__namespace__)) || "
    "(has(self.webhook.authentication.token) && has(self.webhook.authentication.token.secretKeyRef.__namespace__)))",
    "an ActionProvider reads Secrets in its own namespace only: copy the Secret there and remove namespace from"
    " webhook.authentication, or use a ClusterActionProvider",
    fieldPath=".webhook",
)
"""On the spec, not the object: the API server then accepts status updates of a provider that has it already."""


class ActionProviderSpec(ApiModel):
    """Specification of the provider: an executor, its trusted configuration, and the rules for its use."""

    model_config = ConfigDict(json_schema_extra=rules(*_SPEC_RULES, _OWN_NAMESPACE_RULE))

    executor: DnsLabel
    """The name of a built-in or plug-in executor."""
    config: JsonObject = Field(default_factory=dict)
    """Configuration of the executor, which users of the provider cannot change: URLs, Secrets, templates.
    At most 256 KiB."""
    input_schema: JsonObject | None = None
    """JSON Schema (2020-12) that `spec.parameters` of every action must satisfy. Remote references are refused."""
    output_schema: JsonObject | None = None
    """JSON Schema (2020-12) that every output must satisfy."""
    partition_key_path: (
        Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")] | None
    ) = None
    """The parameter whose value is the partition key of actions that do not set one; dots separate the fields of nested
    objects. Immutable."""
    sharding: Annotated[Sharding, Field(json_schema_extra=stored_default("Provider"))] | None = None
    """Granularity at which actions are distributed over replicas: Provider, Partition or Action. Limits over all
    actions require Provider; partitions require Provider or Partition. Immutable. Default Provider."""
    limits: Limits | None = None
    """Limits on the use of the provider."""
    overlap_policy: OverlapPolicy | None = None
    """What happens to a new action whose partition is busy: Queue, Replace (the running and queued actions are aborted)
    or Drop (the new action is aborted). Default Queue."""
    poll: Poll | None = None
    """Intervals at which a started action is polled."""
    defaults: ProviderDefaults | None = None
    """Defaults for actions that do not set these fields."""
    webhook: Webhook | None = None
    """Webhooks with which the target system reports the state of actions. The inbox receives them at
    `/providers/NAMESPACE/NAME` or `/cluster-providers/NAME`."""


class ClusterActionProviderSpec(ActionProviderSpec):
    """Specification of the provider: the fields of an ActionProvider, and the namespaces that may use it."""

    model_config = ConfigDict(json_schema_extra=rules(*_SPEC_RULES))

    allowed_namespaces: (
        Annotated[
            tuple[
                Annotated[
                    str,
                    Field(
                        min_length=1,
                        max_length=63,
                        pattern=r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?|[a-z0-9][-a-z0-9]*\*)$",
                        description="A namespace, or a prefix of its name followed by `*`.",
                    ),
                ],
                ...,
            ],
            Field(max_length=256, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """Namespaces that may use the provider: names, `team-*` for a prefix, `*` for all. Default: all."""


class ActionProviderStatus(ApiModel):
    """Observed state of the provider; written only by the operator."""

    conditions: Conditions = ()
    """Conditions of the provider. Ready: whether actions can be started."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that this status describes."""
    description: Message | None = None
    """Description by the executor, for example the result of its introspection."""
    queued: Annotated[int, Field(ge=0)] | None = None
    """Number of queued actions."""
    running: Annotated[int, Field(ge=0)] | None = None
    """Number of running attempts."""
    rate_limit_reset_at: Timestamp | None = None
    """When the rate limit allows the next start; unset if the limit is not reached."""
    rate_used_until: Timestamp | None = None
    """The time up to which `limits.rate` is reserved: a new owner of the provider continues from there."""


_NAMED = ConfigDict(json_schema_extra=rules(name_length_rule()))


class ActionProvider(ApiModel):
    """An executor bound to a configuration, for the actions of its namespace."""

    model_config = _NAMED

    metadata: Metadata
    spec: ActionProviderSpec
    status: ActionProviderStatus = ActionProviderStatus()

    @property
    def kind(self) -> ProviderKind:
        """The kind that a ``providerRef`` names."""
        return ProviderKind.ACTION_PROVIDER

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """Return the model of an object from the API server; raise ``pydantic.ValidationError``."""
        return cls.model_validate(body)


class ClusterActionProvider(ApiModel):
    """An executor bound to a configuration, for the actions of many namespaces."""

    model_config = _NAMED

    metadata: Metadata
    spec: ClusterActionProviderSpec
    status: ActionProviderStatus = ActionProviderStatus()

    @property
    def kind(self) -> ProviderKind:
        """The kind that a ``providerRef`` names."""
        return ProviderKind.CLUSTER_ACTION_PROVIDER

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """Return the model of an object from the API server; raise ``pydantic.ValidationError``."""
        return cls.model_validate(body)


Provider = ActionProvider | ClusterActionProvider
