"""ActionEvent: something that happened to an action outside its owner. Fields and rules only."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from taskaction.api.base import ApiModel, DnsName, JsonObject, ShortText, Uid, UserTimestamp
from taskaction.api.metadata import Metadata
from taskaction.api.rules import cel, immutable, rules, stored_default


class EventTarget(ApiModel):
    """Which action it happened to."""

    name: DnsName
    """The TaskAction's name, in the event's namespace."""
    uid: Uid | None = None
    """Its uid; an action of the same name and another uid is then not meant."""


def _spec_rules(schema: dict[str, Any]) -> None:
    """Add the rules of the whole spec."""
    schema |= rules(
        cel("has(self.target) || has(self.correlationKey)", "set target or correlationKey, or both"),
        *(immutable(name, "delete the event and make a new one") for name in schema["properties"]),
    )


class ActionEventSpec(ApiModel):
    """What happened. Immutable: the owner of the action applies it and deletes it."""

    model_config = ConfigDict(json_schema_extra=_spec_rules)

    target: EventTarget | None = None
    """The action it happened to. At least one of `target` and `correlationKey` is set."""
    correlation_key: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """What the target system calls the action, where the sender knows no name; matched with `status.externalId`."""
    type: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    """What kind of event it is, for example Webhook, Update or Trace."""
    payload: JsonObject = Field(default_factory=dict)
    """The content, up to 32 KiB."""
    sender: ShortText | None = None
    """Who sent it, as authenticated on receipt."""
    received_at: UserTimestamp | None = None
    """When it was received."""
    ttl_seconds: Annotated[int, Field(ge=1, le=604_800, json_schema_extra=stored_default(3600))] = 3600
    """How long it is kept when no action takes it, in seconds, at most 7 days. Default 3600."""


class ActionEvent(ApiModel):
    """Something that happened to an action outside its owner: a webhook delivery, an update, a trace."""

    metadata: Metadata
    spec: ActionEventSpec

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """Read an object as the API server gives it; raises ``pydantic.ValidationError``."""
        return cls.model_validate(body)
