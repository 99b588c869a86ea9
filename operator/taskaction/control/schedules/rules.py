"""Translation of schedules and their objects to what ``schedules.due`` decides about; pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from taskaction.api.action_schedule import ActionSchedule, CatchUp
from taskaction.api.bodies import has_ended
from taskaction.api.enums import ConcurrencyPolicy
from taskaction.cluster.gateway import Body
from taskaction.control.objects.scheduled import nominal_time
from taskaction.core.names import scheduled_name
from taskaction.schedules.due import MadeObject, Rules
from taskaction.schedules.times import timetable


def rules_of(schedule: ActionSchedule) -> Rules:
    """Return the rules of a schedule; raise ``ScheduleError`` if a field is invalid."""
    spec, metadata = schedule.spec, schedule.metadata
    catch_up = spec.catch_up or CatchUp()
    deadline = spec.starting_deadline_seconds
    return Rules(
        uid=metadata.uid,
        created=metadata.creation_timestamp,
        timetable=timetable(
            cron=spec.cron,
            time_zone=spec.time_zone,
            interval=spec.interval,
            anchor=(spec.start_at or metadata.creation_timestamp).astimezone(UTC),
        ),
        start=spec.start_at,
        end=spec.end_at,
        suspend=bool(spec.suspend),
        starting_deadline=None if deadline is None else timedelta(seconds=deadline),
        concurrency=spec.concurrency_policy or ConcurrencyPolicy.ALLOW,
        catch_up=catch_up.policy,
        catch_up_limit=catch_up.limit,
        jitter=spec.jitter or timedelta(),
    )


def to_made_objects(schedule: str, bodies: Iterable[Body], remembered: Mapping[datetime, str]) -> list[MadeObject]:
    """Return the objects of a schedule, which is given by its name.

    The name of an object decides whether it is that of a nominal time: anybody can set the annotation on another one.
    ``remembered`` are the names of objects by their times that may have been deleted since they were made.
    """
    found = [
        MadeObject(time=_time_of(schedule, body), name=body["metadata"]["name"], finished=has_ended(body))
        for body in bodies
    ]
    names = {one.name for one in found}
    gone = ((time, name) for time, name in remembered.items() if name not in names)
    return [*found, *(MadeObject(time=time, name=name, finished=True) for time, name in gone)]


def _time_of(schedule: str, body: Body) -> datetime | None:
    time = nominal_time(body)
    is_named = time is not None and scheduled_name(schedule, time) == body["metadata"]["name"]
    return time.astimezone(UTC) if time is not None and is_named else None
