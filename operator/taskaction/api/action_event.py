"""ActionEvent: something that happened to an action outside its owner. Fields and rules only."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from taskaction.api.base import ApiModel, DnsLabel, DnsName, JsonObject, ShortText, Uid, UserTimestamp
from taskaction.api.metadata import Metadata
from taskaction.api.rules import cel, immutable, rules, stored_default
from taskaction.api.task_action import ProviderRef

TRACE = "Trace"
"""The type of a step that a program has recorded: it is kept as long as its action, and given to nobody."""
UPDATE = "Update"
"""The type of what is reported of an attempt from outside: its owner puts it into the action's status."""


class EventTarget(ApiModel):
    """Which action it happened to: by its name, by its uid, or by both."""

    model_config = ConfigDict(
        json_schema_extra=rules(cel("has(self.name) || has(self.uid)", "set target.name or target.uid, or both"))
    )

    name: DnsName | None = None
    """The TaskAction's name, in the event's namespace."""
    uid: Uid | None = None
    """Its uid; an action of the same name and another uid is then not meant."""
    attempt: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """The attempt that is meant; a later one is not told of it."""


class EventScope(ApiModel):
    """Whose actions a `correlationKey` is looked for among, so that equal ids of two targets never mix."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("has(self.providerRef) != has(self.executor)", "set exactly one of providerRef and executor")
        )
    )

    provider_ref: ProviderRef | None = None
    """Actions of this provider."""
    executor: DnsLabel | None = None
    """Actions of this executor, with or without a provider."""


def _spec_rules(schema: dict[str, Any]) -> None:
    """Add the rules of the whole spec."""
    schema |= rules(
        cel("has(self.target) || has(self.correlationKey)", "set target or correlationKey, or both"),
        cel("!has(self.scope) || has(self.correlationKey)", "scope says nothing without correlationKey: set it too"),
        *(immutable(name, "delete the event and make a new one") for name in schema["properties"]),
    )


class ActionEventSpec(ApiModel):
    """What happened. Immutable: the owner of the action applies it and deletes it."""

    model_config = ConfigDict(json_schema_extra=_spec_rules)

    target: EventTarget | None = None
    """The action it happened to. At least one of `target` and `correlationKey` is set."""
    correlation_key: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """What the target system calls the action, where the sender knows no name; matched with `status.externalId`."""
    scope: EventScope | None = None
    """Among whose actions `correlationKey` is looked for. Default: all actions of the namespace."""
    type: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    """What kind of event it is, for example Webhook. Update changes the action's status; Trace is kept beside it."""
    payload: JsonObject = Field(default_factory=dict)
    """The content, up to 32 KiB."""
    sender: ShortText | None = None
    """Who sent it, as authenticated on receipt."""
    received_at: UserTimestamp | None = None
    """When it was received."""
    ttl_seconds: Annotated[int, Field(ge=1, le=604_800, json_schema_extra=stored_default(3600))] = 3600
    """How long it is kept when no action takes it, in seconds, at most 7 days. Default 3600; not for a Trace."""


class ActionEvent(ApiModel):
    """Something that happened to an action outside its owner: a webhook delivery, an update, a trace."""

    metadata: Metadata
    spec: ActionEventSpec

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """Read an object as the API server gives it; raises ``pydantic.ValidationError``."""
        return cls.model_validate(body)
