"""Nominal times of objects that schedules made: such an object is kept until the status of its schedule has the time.

Without it, a schedule whose process stopped before its status was written would make the object of that time again.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from taskaction.cluster.gateway import ACTION_SCHEDULES, Body
from taskaction.control.objects.owned import OwnedObject
from taskaction.core.constants import GROUP, SCHEDULED_TIME_ANNOTATION


class ScheduledTime(NamedTuple):
    """The uid of a schedule, and the nominal time for which it made an object."""

    schedule: str
    time: datetime


def find_scheduled_time(owned: OwnedObject) -> ScheduledTime | None:
    """Return for which time of which schedule an object was made; None if no schedule made it.

    A person who makes an object of a schedule adds no controller, so such an object is not kept.
    """
    time = _read_time(owned.metadata.annotations)
    for owner in owned.metadata.owner_references:
        is_schedule = owner.kind == ACTION_SCHEDULES.kind and owner.api_version.startswith(f"{GROUP}/")
        if time is not None and is_schedule and owner.controller:
            return ScheduledTime(owner.uid, time)
    return None


def owning_schedules(metadata: Mapping[str, Any]) -> list[str]:
    """Return the uids of the schedules that own an object, by its metadata as the API server sends it."""
    owners = metadata.get("ownerReferences")
    return [owner["uid"] for owner in owners if owner["kind"] == ACTION_SCHEDULES.kind] if owners else []


def nominal_time(body: Body) -> datetime | None:
    """Return the nominal time of an object as the API server sends it; None if it has none that can be read."""
    return _read_time(body["metadata"].get("annotations") or {})


def _read_time(annotations: Mapping[str, str]) -> datetime | None:
    try:
        time = datetime.fromisoformat(annotations.get(SCHEDULED_TIME_ANNOTATION, ""))
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
