"""Time zones of the package ``tzdata``, never of the system, so that image and laptop agree."""

import difflib
from bisect import bisect_left
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import tzdata

from taskaction.core.names import truncate
from taskaction.schedules.errors import ScheduleError

FIELD = "spec.timeZone"

_SHOWN_CHARS = 64
_SECOND = timedelta(seconds=1)


def tzdata_version() -> str:
    """Return the release of the IANA time zone database, for example ``2026a``."""
    return str(tzdata.IANA_VERSION)


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all time zones."""
    return frozenset((files("tzdata") / "zones").read_text().split())


def load_zone(name: str) -> ZoneInfo:
    """Return the time zone ``name``.

    Raises:
        ScheduleError: no time zone has this name.
    """
    if name not in zone_names():
        close = difflib.get_close_matches(name, zone_names(), n=1)
        fix = f"use {close[0]}" if close else "use a name of the IANA database, e.g. Europe/Berlin or UTC"
        raise ScheduleError(FIELD, f'unknown time zone "{truncate(name, _SHOWN_CHARS)}"; {fix}')
    return _read_zone(name)


@cache
def _read_zone(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def offset_at(zone: ZoneInfo, moment: datetime) -> timedelta:
    """Return what ``zone`` adds to UTC at ``moment``."""
    return moment.astimezone(zone).utcoffset() or timedelta()


def end_of_offset(zone: ZoneInfo, start: datetime, stop: datetime) -> datetime:
    """Return when the offset of ``start`` ends: a whole second, or ``stop`` if it lasts until then.

    The two are at most two days apart. No zone has changed its offset twice in that time since 1970.
    """
    offset = offset_at(zone, start)
    if offset_at(zone, stop) == offset:
        return stop
    seconds = range((stop - start) // _SECOND + 1)
    changed = bisect_left(seconds, x=True, key=lambda second: offset_at(zone, start + second * _SECOND) != offset)
    return start + changed * _SECOND
