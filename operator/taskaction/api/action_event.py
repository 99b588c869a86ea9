"""ActionEvent: an event about an action from outside its owner. Fields and rules only."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from taskaction.api.base import ApiModel, DnsLabel, DnsName, ExternalId, JsonObject, ShortText, Uid, UserTimestamp
from taskaction.api.metadata import Metadata
from taskaction.api.rules import cel, immutable_rule, rules, stored_default
from taskaction.api.task_action import ProviderRef

TRACE = "Trace"
"""Type of a step that a program recorded; kept as long as its action, and delivered to no executor."""
UPDATE = "Update"
"""Type of a report about an attempt from outside; the action's owner applies it to the action's status."""

CONTENT_LIMIT_BYTES = 1024 * 1024
"""Maximum size of the body of a request."""
INLINE_CONTENT_BYTES = 256 * 1024
"""Maximum size of a compressed body within its object."""
_INLINE_CHARS = 4 * (INLINE_CONTENT_BYTES // 3 + 1)


class EventTarget(ApiModel):
    """The action that the event is about: by name, by uid, or by both."""

    model_config = ConfigDict(
        json_schema_extra=rules(cel("has(self.name) || has(self.uid)", "set name or uid, or both"))
    )

    name: DnsName | None = None
    """The TaskAction's name, in the event's namespace."""
    uid: Uid | None = None
    """The TaskAction's uid. If set, an action with the same name and another uid does not match."""
    attempt: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """The attempt that the event is about. Later attempts do not receive it."""


class EventScope(ApiModel):
    """The actions among which a `correlationKey` is matched, so that equal ids of two targets never mix."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "[has(self.providerRef), has(self.executor), has(self.executors)].filter(one, one).size() == 1",
                "set exactly one of providerRef, executor and executors",
            )
        )
    )

    provider_ref: ProviderRef | None = None
    """Actions of this provider."""
    executor: DnsLabel | None = None
    """Actions of this executor, with or without a provider."""
    executors: (
        Annotated[
            tuple[DnsLabel, ...],
            Field(min_length=1, max_length=256, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
        ]
        | None
    ) = None
    """Actions of any of these executors, with or without a provider: those of one integration."""


class EventContent(ApiModel):
    """The body of a request as bytes: if it is too large for the payload, or if its signature covers the bytes."""

    model_config = ConfigDict(
        json_schema_extra=rules(cel("has(self.data) != has(self.sha256)", "set exactly one of data and sha256"))
    )

    size: Annotated[int, Field(ge=0, le=CONTENT_LIMIT_BYTES)]
    """Number of bytes."""
    data: Annotated[str, Field(max_length=_INLINE_CHARS)] | None = None
    """The bytes, compressed by zlib (RFC 1950) and in Base64; up to 256 KiB compressed."""
    sha256: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the bytes, which are in the operator's storage."""


def _spec_rules(schema: dict[str, Any]) -> None:
    """Add the rules of the whole spec."""
    schema |= rules(
        cel("has(self.target) || has(self.correlationKey)", "set target or correlationKey, or both"),
        cel(
            "!has(self.scope) || has(self.correlationKey)",
            "scope has no effect without correlationKey: set correlationKey too",
        ),
        *(immutable_rule(name, "delete the event and create a new one") for name in schema["properties"]),
    )


class ActionEventSpec(ApiModel):
    """Specification of the event. Immutable: the owner of the action applies the event and deletes it."""

    model_config = ConfigDict(json_schema_extra=_spec_rules)

    target: EventTarget | None = None
    """The action that the event is about. Set at least one of `target` and `correlationKey`."""
    correlation_key: Annotated[ExternalId, Field(min_length=1)] | None = None
    """The target system's id of the action, for senders that do not know the name. Matched with `status.externalId`."""
    scope: EventScope | None = None
    """The actions among which `correlationKey` is matched. Default: all actions of the namespace."""
    type: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    """The type of the event, for example Webhook. Update changes the action's status. Trace is kept with the action."""
    payload: JsonObject = Field(default_factory=dict)
    """The content of the event, up to 32 KiB."""
    content: EventContent | None = None
    """The body of a request as bytes. Executors receive it as `payload.body`, too, if it is JSON."""
    sender: ShortText | None = None
    """The sender, as authenticated on receipt."""
    received_at: UserTimestamp | None = None
    """When the event was received."""
    ttl_seconds: Annotated[int, Field(ge=1, le=604_800, json_schema_extra=stored_default(3600))] = 3600
    """How long the event is kept if no action takes it, in seconds, at most 7 days. Default 3600. Not used for
    Trace."""


class ActionEvent(ApiModel):
    """Event about an action from outside its owner: a webhook delivery, an update or a trace."""

    metadata: Metadata
    spec: ActionEventSpec

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """Return the model of an object from the API server; raise ``pydantic.ValidationError``."""
        return cls.model_validate(body)
