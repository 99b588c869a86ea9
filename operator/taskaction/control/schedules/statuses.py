"""Statuses of schedules; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from taskaction.api.action_schedule import ACTIVE_SHOWN, ActionSchedule, ActionScheduleStatus, ActiveObject
from taskaction.api.enums import ConditionStatus
from taskaction.api.metadata import Condition
from taskaction.api.reasons import ConditionType, Reason
from taskaction.cluster.gateway import Body
from taskaction.core.constants import MESSAGE_LIMIT_CHARS
from taskaction.core.names import truncate
from taskaction.schedules.due import Decision
from taskaction.schedules.zones import tzdata_version


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an object of a time was not made."""

    reason: Reason
    message: str

    @property
    def is_final(self) -> bool:
        """Whether the time is missed, because another object has the name; otherwise it is tried again."""
        return self.reason is Reason.NAME_TAKEN


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a schedule makes objects, and why not."""

    reason: Reason = Reason.READY
    message: str = ""

    @property
    def status(self) -> ConditionStatus:
        """The status of the condition."""
        return ConditionStatus.TRUE if self.reason is Reason.READY else ConditionStatus.FALSE


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleProgress:
    """How far a schedule is.

    Attributes:
        last: the last nominal time that was handled; ``next`` is the next one.
        missed: number of times for which no object was made, in all.
        active: the unfinished objects, oldest first.
    """

    last: datetime | None
    next: datetime | None
    missed: int
    active: Sequence[Body]


def build_status(
    schedule: ActionSchedule, progress: ScheduleProgress, readiness: Readiness, now: datetime
) -> ActionScheduleStatus:
    """Return the status that reports ``progress``; the condition keeps its transition time if its value stays."""
    known = _ready_condition(schedule)
    ready = Condition(
        type=ConditionType.READY,
        status=readiness.status,
        reason=readiness.reason,
        message=truncate(readiness.message, MESSAGE_LIMIT_CHARS),
        last_transition_time=known.last_transition_time if known and known.status is readiness.status else now,
        observed_generation=schedule.metadata.generation,
    )
    shown = [_to_active(schedule, body) for body in progress.active[:ACTIVE_SHOWN]]
    return ActionScheduleStatus(
        last_scheduled_time=progress.last,
        next_time=progress.next,
        active=tuple(shown),
        active_count=len(progress.active),
        missed=progress.missed,
        time_zone_data_version=tzdata_version(),
        conditions=(ready,),
        observed_generation=schedule.metadata.generation,
    )


def build_invalid_status(schedule: ActionSchedule, problem: str, now: datetime) -> ActionScheduleStatus:
    """Return the status of a schedule whose times cannot be computed."""
    status = schedule.status
    progress = ScheduleProgress(last=status.last_scheduled_time, next=None, missed=status.missed or 0, active=())
    shown = build_status(schedule, progress, Readiness(Reason.INVALID_SCHEDULE, problem), now)
    return shown.model_copy(update={"active": status.active, "active_count": status.active_count})


def judge(schedule: ActionSchedule, decision: Decision, refusal: Refusal | None) -> Readiness:
    """Return whether the schedule makes objects."""
    if refusal is not None:
        return Readiness(refusal.reason, refusal.message)
    if schedule.spec.suspend:
        return Readiness(Reason.SUSPENDED, "spec.suspend is true")
    if decision.next_time is None:
        return Readiness(Reason.SCHEDULE_ENDED, "there are no more times; set a later spec.endAt")
    known = _ready_condition(schedule)
    if known is not None and known.reason == Reason.NAME_TAKEN and not decision.starts:
        return Readiness(Reason.NAME_TAKEN, known.message)  # until an object of a later time is made
    return Readiness()


def is_up_to_date(schedule: ActionSchedule, expected: Decision) -> bool:
    """Whether a schedule needs nothing now: no time is due, nothing it made is unfinished, its status is current."""
    status = schedule.status
    return (
        status.observed_generation == schedule.metadata.generation
        and status.time_zone_data_version == tzdata_version()
        and not status.active_count
        and not expected.starts
        and not expected.waits
        and (status.last_scheduled_time, status.next_time) == (expected.last, expected.next_time)
    )


def describe_missed(count: int) -> str:
    """Return the message about times for which no object was made."""
    return f"no object was made for {count} time{'s' if count > 1 else ''}; see catchUp and startingDeadlineSeconds"


def _ready_condition(schedule: ActionSchedule) -> Condition | None:
    return next((one for one in schedule.status.conditions if one.type == ConditionType.READY), None)


def _to_active(schedule: ActionSchedule, body: Body) -> ActiveObject:
    metadata = body["metadata"]
    return ActiveObject(kind=schedule.spec.template.kind, name=metadata["name"], uid=metadata["uid"])
