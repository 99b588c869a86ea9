"""ActionProvider and ClusterActionProvider: what a platform team offers. Fields and rules only."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from taskaction.api.base import ApiModel, DnsLabel, JsonObject, Message, PositiveDuration, Timestamp
from taskaction.api.enums import OverlapPolicy, ProviderKind, Sharding, WhenFull
from taskaction.api.metadata import Condition, Metadata
from taskaction.api.policies import RetryPolicy, RunAs, Timeouts, longest_after_first
from taskaction.api.rules import cel, immutable, name_fits_a_label, rules, stored_default
from taskaction.api.webhook import Webhook


class Rate(ApiModel):
    """A token bucket over all replicas."""

    requests: Annotated[int, Field(ge=1, le=1_000_000)]
    """How many starts are allowed..."""
    per: PositiveDuration
    """...in this time, for example 1m."""
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """How many may start at once. Default: `requests`."""


class Limits(ApiModel):
    """How much of a provider may be used at a time."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.maxConcurrent) || !has(self.maxConcurrentPerPartition)"
                " || self.maxConcurrentPerPartition <= self.maxConcurrent",
                "maxConcurrentPerPartition cannot be more than maxConcurrent: lower it or raise maxConcurrent",
                fieldPath=".maxConcurrentPerPartition",
            ),
            cel("!has(self.whenFull) || has(self.maxQueued)", "whenFull says nothing without maxQueued: set it too"),
        )
    )

    max_concurrent: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Attempts at a time. Default unlimited."""
    max_concurrent_per_partition: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Attempts at a time with the same partition key. Default 1."""
    max_queued: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Actions that may wait. Default unlimited."""
    when_full: WhenFull | None = None
    """What happens beyond `maxQueued`: Wait, or Refuse (Failed with reason QueueFull). Default Wait."""
    rate: Rate | None = None
    """Starts over time. Default unlimited."""


class Poll(ApiModel):
    """How often a started action is asked whether it has ended, where the executor does not say."""

    model_config = ConfigDict(json_schema_extra=longest_after_first())

    initial: PositiveDuration | None = None
    """The first wait. Default 1s."""
    factor: Annotated[float, Field(ge=1, le=10)] | None = None
    """How much longer each further wait is, 1 to 10. Default 2."""
    max: PositiveDuration | None = None
    """The longest wait. Default 10m."""


class ProviderDefaults(ApiModel):
    """What actions of this provider get where they say nothing themselves."""

    retry_policy: RetryPolicy | None = None
    """Whether failed attempts are repeated."""
    timeouts: Timeouts | None = None
    """How long each part of an action's life may last."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=315_360_000)] | None = None
    """How long finished actions are kept."""
    run_as: RunAs | None = None
    """Whose rights are used."""


_SPEC_RULES = rules(
    immutable("sharding", "running actions would change their owner, so make a new provider"),
    immutable("partitionKeyPath", "queued actions would lose their order, so make a new provider"),
    cel(
        "self.sharding == 'Provider' || !has(self.limits)"
        " || !(has(self.limits.maxConcurrent) || has(self.limits.maxQueued) || has(self.limits.rate))",
        "maxConcurrent, maxQueued and rate are counted in one place: use sharding Provider, or leave them out",
        fieldPath=".limits",
    ),
    cel(
        "self.sharding != 'Action' || !(has(self.partitionKeyPath) || has(self.overlapPolicy)"
        " || (has(self.limits) && has(self.limits.maxConcurrentPerPartition)))",
        "with sharding Action there are no partitions: use Partition or Provider, or leave out partitionKeyPath,"
        " overlapPolicy and maxConcurrentPerPartition",
        fieldPath=".sharding",
    ),
)


class ActionProviderSpec(ApiModel):
    """What is offered: an executor, its trusted configuration, and the rules of its use."""

    model_config = ConfigDict(json_schema_extra=_SPEC_RULES)

    executor: DnsLabel
    """The name of a built-in or plug-in executor."""
    config: JsonObject = Field(default_factory=dict)
    """Configuration for the executor, which users of the provider cannot change: URLs, Secrets, templates."""
    input_schema: JsonObject | None = None
    """JSON Schema (2020-12) that `spec.parameters` of every action must satisfy. Remote references are refused."""
    output_schema: JsonObject | None = None
    """JSON Schema (2020-12) that every result must satisfy."""
    partition_key_path: (
        Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")] | None
    ) = None
    """The parameter, dots reaching into objects, whose value is the partition key where an action names none.
    Immutable."""
    sharding: Annotated[Sharding, Field(json_schema_extra=stored_default("Provider"))] | None = None
    """How finely the actions are spread over replicas: Provider, Partition or Action. Limits over all actions need
    Provider; partitions need Provider or Partition. Immutable. Default Provider."""
    limits: Limits | None = None
    """How much may be used at a time."""
    overlap_policy: OverlapPolicy | None = None
    """What a new action of a busy partition does: Queue, Replace (the running and the queued ones are aborted) or Drop
    (it is aborted itself). Default Queue."""
    poll: Poll | None = None
    """How often a started action is asked whether it has ended."""
    defaults: ProviderDefaults | None = None
    """What actions get where they say nothing themselves."""
    webhook: Webhook | None = None
    """Requests by which the target tells how actions stand; the inbox serves them at `/providers/NAMESPACE/NAME`, or
    `/cluster-providers/NAME`."""


class ClusterActionProviderSpec(ActionProviderSpec):
    """An ActionProvider's fields, and the namespaces that may use it."""

    allowed_namespaces: (
        Annotated[
            tuple[
                Annotated[
                    str,
                    Field(
                        min_length=1,
                        max_length=63,
                        pattern=r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?|[a-z0-9][-a-z0-9]*\*)$",
                        description="A namespace, or the beginning of its name followed by `*`.",
                    ),
                ],
                ...,
            ],
            Field(max_length=256, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """Names of namespaces, `team-*` for a prefix, `*` for all. Default: all."""


class ActionProviderStatus(ApiModel):
    """What the operator found; written only by the operator."""

    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    """Ready: whether actions can be started."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that this status speaks of."""
    description: Message | None = None
    """What the executor says of itself or found by introspection."""
    queued: Annotated[int, Field(ge=0)] | None = None
    """Actions that wait."""
    running: Annotated[int, Field(ge=0)] | None = None
    """Attempts under way."""
    rate_limit_reset_at: Timestamp | None = None
    """When a limit that was reached is lifted."""
    rate_used_until: Timestamp | None = None
    """How far the use of `limits.rate` is accounted for: a new owner of the provider goes on from there."""


_NAMED = ConfigDict(json_schema_extra=rules(name_fits_a_label()))


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
        """Read an object as the API server gives it; raises ``pydantic.ValidationError``."""
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
        """Read an object as the API server gives it; raises ``pydantic.ValidationError``."""
        return cls.model_validate(body)


Provider = ActionProvider | ClusterActionProvider
