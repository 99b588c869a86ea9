"""ActionProvider and ClusterActionProvider: what a platform team offers. Fields and rules only."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from taskaction.api.base import ApiModel, DnsLabel, Duration, JsonObject, Message, Timestamp, immutable, rules
from taskaction.api.enums import OverlapPolicy, ProviderKind, Sharding, WhenFull
from taskaction.api.metadata import Condition, Metadata
from taskaction.api.policies import RetryPolicy, RunAs, Timeouts


class Rate(ApiModel):
    """A token bucket over all replicas."""

    requests: Annotated[int, Field(ge=1, le=1_000_000)]
    """How many starts are allowed..."""
    per: Duration
    """...in this time, for example 1m."""
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """How many may start at once. Default: `requests`."""


class Limits(ApiModel):
    """How much of a provider may be used at a time."""

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

    initial: Duration | None = None
    """The first wait. Default 1s."""
    factor: Annotated[float, Field(ge=1, le=10)] | None = None
    """How much longer each further wait is, 1 to 10. Default 2."""
    max: Duration | None = None
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


class ActionProviderSpec(ApiModel):
    """What is offered: an executor, its trusted configuration, and the rules of its use."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            immutable("sharding", "running actions would change their owner; make a new provider instead"),
            immutable("partitionKeyPath", "queued actions would lose their order; make a new provider instead"),
        )
    )

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
    sharding: Sharding | None = None
    """How finely the actions are spread over replicas. Limits hold exactly only with Provider. Immutable. Default
    Provider."""
    limits: Limits | None = None
    """How much may be used at a time."""
    overlap_policy: OverlapPolicy | None = None
    """What a new action of a busy partition does: Queue, Replace (the running and the queued ones are aborted) or Drop
    (it is aborted itself). Default Queue."""
    poll: Poll | None = None
    """How often a started action is asked whether it has ended."""
    defaults: ProviderDefaults | None = None
    """What actions get where they say nothing themselves."""


class ClusterActionProviderSpec(ActionProviderSpec):
    """An ActionProvider's fields, and the namespaces that may use it."""

    allowed_namespaces: (
        Annotated[
            tuple[
                Annotated[
                    str,
                    Field(min_length=1, max_length=63, pattern=r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?\*?)$"),
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


class ActionProvider(ApiModel):
    """An executor bound to a configuration, for the actions of its namespace."""

    metadata: Metadata
    spec: ActionProviderSpec
    """What is offered."""
    status: ActionProviderStatus = ActionProviderStatus()
    """What the operator found."""

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

    metadata: Metadata
    spec: ClusterActionProviderSpec
    """What is offered."""
    status: ActionProviderStatus = ActionProviderStatus()
    """What the operator found."""

    @property
    def kind(self) -> ProviderKind:
        """The kind that a ``providerRef`` names."""
        return ProviderKind.CLUSTER_ACTION_PROVIDER

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """Read an object as the API server gives it; raises ``pydantic.ValidationError``."""
        return cls.model_validate(body)


Provider = ActionProvider | ClusterActionProvider
