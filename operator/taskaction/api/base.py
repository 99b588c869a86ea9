"""The ground of every API model: field names, timestamps, durations, and the bounded types that fields share."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from taskaction.api.rules import cel, rules
from taskaction.core.durations import PATTERN, format_duration, parse_duration


class ApiModel(BaseModel):
    """A frozen part of a Kubernetes object; docstrings under fields become ``kubectl explain`` texts.

    Unknown fields are ignored on reading, since an older operator must read what a newer API server
    stores; the generated schema makes the API server prune or warn about them.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form as the API server stores it: camelCase names, nothing that is unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _read_duration(value: object) -> object:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, timedelta):
        return value
    raise ValueError("must be text such as 90s, 1m30s or 2h")  # pydantic would take a number for seconds


@lru_cache(maxsize=1024)
def format_time(moment: datetime) -> str:
    """Give ``moment`` as RFC 3339 in UTC with milliseconds, the precision that records keep.

    A status names the same few moments a dozen times.
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_DURATION_SCHEMA: dict[str, Any] = {"type": "string", "pattern": PATTERN, "maxLength": 32}
_BOUNDED = rules(
    cel("duration(self) >= duration('0s')", "must be shorter than 292 years: write for example 90s, 1m30s or 2h")
)
_POSITIVE = rules(
    cel(
        "duration(self) > duration('0s')",
        "must be longer than 0s and shorter than 292 years: write for example 90s, 1m30s or 2h",
    )
)
_TIME_SCHEMA: dict[str, Any] = {"type": "string", "format": "date-time", "maxLength": 64}
_OF_OUR_AGE = rules(
    cel(
        "self > timestamp('1970-01-01T00:00:00Z') && self < timestamp('3000-01-01T00:00:00Z')",
        "must be between the years 1970 and 3000: write for example 2026-01-31T09:30:00Z",
    )
)

Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(_DURATION_SCHEMA | _BOUNDED),
]
"""A Go-style duration: text outside, ``timedelta`` inside."""

PositiveDuration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(_DURATION_SCHEMA | _POSITIVE),
]
"""A Go-style duration that is longer than nothing."""

Timestamp = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema(_TIME_SCHEMA),
]
"""An RFC 3339 moment: text outside, an aware ``datetime`` inside."""

UserTimestamp = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema(_TIME_SCHEMA | _OF_OUR_AGE),
]
"""A Timestamp that users write, so within the years that a ``datetime`` can hold in every time zone."""

JsonObject = Annotated[
    dict[str, Any],
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]
"""Any JSON object, kept as it is."""

AnyJson = Annotated[
    Any,
    WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True}),
]
"""Any JSON value, kept as it is."""

DnsLabel = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
DnsName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
ShortText = Annotated[str, Field(max_length=253)]
Message = Annotated[str, Field(max_length=1024)]
Uid = Annotated[str, Field(min_length=1, max_length=64)]
