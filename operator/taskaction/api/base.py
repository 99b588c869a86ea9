"""Base of every API model: field names, timestamps, durations, and bounded types that fields share."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from taskaction.api.rules import cel, rules
from taskaction.core.constants import EXTERNAL_ID_CHARS
from taskaction.core.durations import PATTERN, format_duration, parse_duration
from taskaction.core.json_values import restore_doubles


class ApiModel(BaseModel):
    """Frozen part of a Kubernetes object; docstrings under fields become ``kubectl explain`` texts.

    Unknown fields are ignored: an older operator must read objects that were written with a newer schema. The generated
    schema makes the API server prune unknown fields or warn about them.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form that the API server stores: camelCase names, without unset fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


_NO_FIELDS: set[str] = set()


def forget_set_fields(*models: ApiModel) -> None:
    """Forget which fields of models the input has set; the set takes up to 700 bytes, and only some parameters need it.

    pydantic copies the set before it changes it, so all models can share one.
    """
    for model in models:
        object.__setattr__(model, "__pydantic_fields_set__", _NO_FIELDS)


def read_duration(value: object) -> object:
    """Return a duration of JSON as a ``timedelta``; raise ``ValueError`` for anything but a string of that form."""
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, timedelta):
        return value
    raise ValueError("must be a string; use e.g. 90s, 1m30s or 2h")  # pydantic would take a number for seconds


@lru_cache(maxsize=1024)
def format_time(moment: datetime) -> str:
    """Return ``moment`` as RFC 3339 in UTC with milliseconds, the precision that records keep.

    Cached, because a status contains the same few timestamps a dozen times.
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


DURATION_SCHEMA: dict[str, Any] = {"type": "string", "pattern": PATTERN, "maxLength": 32}
"""Schema of a Go-style duration, without rules about its length."""
_BOUNDED = rules(cel("duration(self) >= duration('0s')", "must be shorter than 292 years; use e.g. 90s, 1m30s or 2h"))
_POSITIVE = rules(
    cel(
        "duration(self) > duration('0s')",
        "must be longer than 0s and shorter than 292 years; use e.g. 90s, 1m30s or 2h",
    )
)
_TIME_SCHEMA: dict[str, Any] = {"type": "string", "format": "date-time", "maxLength": 64}
_OF_OUR_AGE = rules(
    cel(
        "self > timestamp('1970-01-01T00:00:00Z') && self < timestamp('3000-01-01T00:00:00Z')",
        "must be between the years 1970 and 3000; use e.g. 2026-01-31T09:30:00Z",
    )
)

Duration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(DURATION_SCHEMA | _BOUNDED),
]
"""Go-style duration: a string in JSON, a ``timedelta`` in Python."""

PositiveDuration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(DURATION_SCHEMA | _POSITIVE),
]
"""Go-style duration greater than zero."""

Timestamp = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema(_TIME_SCHEMA),
]
"""RFC 3339 timestamp: a string in JSON, an aware ``datetime`` in Python."""

UserTimestamp = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema(_TIME_SCHEMA | _OF_OUR_AGE),
]
"""Timestamp that users write, limited to years that a ``datetime`` can represent in every time zone."""

JsonObject = Annotated[
    dict[str, Any],
    AfterValidator(restore_doubles),
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]
"""Any JSON object, stored unchanged."""

AnyJson = Annotated[
    Any,
    AfterValidator(restore_doubles),
    WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True}),
]
"""Any JSON value, stored unchanged."""

DnsLabel = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
DnsName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
ShortText = Annotated[str, Field(max_length=253)]
ExternalId = Annotated[str, Field(max_length=EXTERNAL_ID_CHARS)]
Message = Annotated[str, Field(max_length=1024)]
Uid = Annotated[str, Field(min_length=1, max_length=64)]
