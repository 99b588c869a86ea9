"""ActionSchedule: makes actions or runs of flows at nominal times. Fields and their rules only."""

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from taskaction.api.base import (
    DURATION_SCHEMA,
    ApiModel,
    DnsName,
    Duration,
    JsonObject,
    ShortText,
    Timestamp,
    Uid,
    UserTimestamp,
    read_duration,
)
from taskaction.api.enums import CatchUpPolicy, ConcurrencyPolicy, ParentKind
from taskaction.api.metadata import Conditions, Metadata
from taskaction.api.rules import at_creation, cel, rules, stored_default
from taskaction.core.constants import GROUP
from taskaction.core.durations import format_duration

ACTIVE_SHOWN = 32
"""Maximum number of unfinished objects in a status."""

NAME_CHARS = 52
"""Maximum length of a schedule's name: the names of what it makes end with a dash and ten digits, in 63 characters."""

_INTERVAL_RULE = rules(cel("duration(self) >= duration('1s')", "must be 1s or longer; use e.g. 90s, 1m30s or 2h"))

Interval = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(DURATION_SCHEMA | _INTERVAL_RULE),
]
"""Duration of a second or longer: names of objects contain the nominal time in seconds."""

_FOREIGN_KEYS_RULE = rules(
    cel(
        f"self.all(key, !key.startsWith('{GROUP}/'))",
        f"keys that begin with {GROUP}/ are the operator's: remove them from the template",
    )
)
LabelValue = Annotated[str, Field(max_length=63)]
AnnotationValue = Annotated[str, Field(max_length=4096)]
HistoryLimit = Annotated[int, Field(ge=0, le=100)]


class TemplateMetadata(ApiModel):
    """Metadata of each object that the schedule makes."""

    labels: Annotated[dict[str, LabelValue], Field(max_length=32, json_schema_extra=_FOREIGN_KEYS_RULE)] = Field(
        default_factory=dict
    )
    """Labels, in addition to `taskaction.dev/schedule`. No other key may begin with `taskaction.dev/`."""
    annotations: Annotated[dict[str, AnnotationValue], Field(max_length=32, json_schema_extra=_FOREIGN_KEYS_RULE)] = (
        Field(default_factory=dict)
    )
    """Annotations, in addition to `taskaction.dev/scheduled-time`. No other key may begin with `taskaction.dev/`."""


class ObjectTemplate(ApiModel):
    """What the schedule makes at each time."""

    kind: Annotated[
        ParentKind,
        Field(
            json_schema_extra=stored_default("TaskAction")
            | rules(cel("self == oldSelf", "is immutable: delete the schedule and create a new one"))
        ),
    ] = ParentKind.TASK_ACTION
    """The kind of the objects: TaskAction or ActionFlowRun. It cannot change."""
    metadata: TemplateMetadata | None = None
    """Labels and annotations of the objects."""
    spec: JsonObject
    """The `spec` of the objects, as for this kind. In every text, `{{ schedule.time }}` is the nominal time, such as
    2026-01-31T09:30:00Z, and `{{ schedule.name }}` the name of the schedule. The ServiceAccount in `runAs` creates the
    objects, so it needs the right to do so; without `runAs`, the objects can use no provider and no account."""


class CatchUp(ApiModel):
    """What happens to times that were missed, for example because no operator was running."""

    policy: CatchUpPolicy = CatchUpPolicy.LAST
    """None: they are skipped. Last: the last one runs. All: they all run, at most `limit` of them, the last ones.
    Default Last."""
    limit: Annotated[int, Field(ge=1, le=100)] = 10
    """Maximum number of missed times that run with the policy All, 1 to 100. Default 10."""


def _spec_rules(schema: dict[str, Any]) -> None:
    schema |= rules(
        cel("has(self.cron) != has(self.interval)", "set exactly one of cron and interval"),
        cel(
            "!has(self.timeZone) || has(self.cron)",
            "an interval has no time zone: remove timeZone, or set cron instead of interval",
            fieldPath=".timeZone",
        ),
        cel(
            "!has(self.startAt) || !has(self.endAt) || self.startAt <= self.endAt",
            "must not be before startAt: set a later endAt, or an earlier startAt",
            fieldPath=".endAt",
        ),
    )


class ActionScheduleSpec(ApiModel):
    """Specification of the schedule: when, what, and what happens if times meet or are missed."""

    model_config = ConfigDict(json_schema_extra=_spec_rules)

    cron: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """The times as a cron expression of five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly` or `@yearly`; see
    docs/schedules.md. Set either `cron` or `interval`."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The time zone of `cron`, a name of the IANA database such as Europe/Berlin. Default UTC."""
    interval: Interval | None = None
    """The time between two times, 1s or longer, counted from `startAt`. Set either `interval` or `cron`."""
    start_at: UserTimestamp | None = None
    """There are no times before this one. Default: the creation of the schedule."""
    end_at: UserTimestamp | None = None
    """There are no times after this one. Default: the schedule does not end."""
    suspend: bool | None = None
    """While true, the schedule makes nothing. What it has made continues."""
    starting_deadline_seconds: Annotated[int, Field(ge=1, le=31_536_000)] | None = None
    """How long after its time an object may still be made, in seconds; later, the time is missed. Default: until the
    next time, and as `catchUp` says."""
    concurrency_policy: ConcurrencyPolicy | None = None
    """What happens at a time when an object of an earlier time is unfinished. Allow: both run. Forbid: the new one
    waits for its end. Replace: the earlier one is deleted, which aborts it. Default Allow."""
    catch_up: CatchUp | None = None
    """What happens to times that were missed. Default: the last one runs."""
    jitter: Duration | None = None
    """Maximum delay after the nominal time. Each time has its own delay, which depends on the schedule and the time
    only. Default none."""
    successful_history_limit: HistoryLimit | None = None
    """How many of the objects that succeeded are kept, 0 to 100. Default 3. Each one's `ttlSecondsAfterFinished`
    applies as well."""
    failed_history_limit: HistoryLimit | None = None
    """How many of the objects that ended otherwise are kept, 0 to 100. Default 1."""
    template: ObjectTemplate
    """What the schedule makes at each time."""


class ActiveObject(ApiModel):
    """An unfinished object that the schedule made."""

    kind: ParentKind
    """The kind of the object."""
    name: DnsName
    """The name of the object."""
    uid: Uid
    """The uid of the object."""


class ActionScheduleStatus(ApiModel):
    """Observed state of the schedule; written only by the operator."""

    last_scheduled_time: Timestamp | None = None
    """The last nominal time that was handled: an object was made for it, or it was missed. It decreases only if it is
    more than an hour in the future."""
    next_time: Timestamp | None = None
    """The next nominal time, without jitter. Unset if there is none."""
    active: Annotated[
        tuple[ActiveObject, ...],
        Field(max_length=ACTIVE_SHOWN, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The unfinished objects that the schedule made, oldest first, at most 32."""
    active_count: Annotated[int, Field(ge=0)] | None = None
    """The number of unfinished objects."""
    missed: Annotated[int, Field(ge=0)] | None = None
    """The number of times for which no object was made."""
    time_zone_data_version: ShortText | None = None
    """The release of the IANA time zone database that the operator uses, for example 2026a."""
    conditions: Conditions = ()
    """Conditions of the schedule. Ready: whether it makes objects; the reason and the message say why not."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that this status describes."""


class ActionSchedule(ApiModel):
    """A schedule that makes a TaskAction or an ActionFlowRun at each of its times. What it made is deleted with it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            at_creation(
                f"size(self.metadata.name) <= {NAME_CHARS}",
                f"metadata.name: must be at most {NAME_CHARS} characters, because the names of the objects that the "
                "schedule makes have 11 more; use a shorter name",
                fieldPath=".metadata",
            )
        )
    )

    metadata: Metadata
    spec: ActionScheduleSpec
    status: ActionScheduleStatus = ActionScheduleStatus()

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """Return the model of an object from the API server; raise ``pydantic.ValidationError``."""
        return cls.model_validate(body)
