"""Nominal times of a schedule: those of a cron expression in a time zone, and those of a fixed interval.

A cron expression matches every moment at which a clock on the wall of its time zone shows a matching minute, as in
Kubernetes' CronJob. So a time that the clock skips when it is put forward does not exist on that day, and a time that
it shows twice when it is put back exists twice. Nominal times are whole seconds in UTC, from 1970 to 9980.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import product
from typing import Protocol

from taskaction.schedules.cron_fields import parse_cron
from taskaction.schedules.errors import ScheduleError
from taskaction.schedules.zones import end_of_offset, load_zone, offset_at

DEFAULT_ZONE = "UTC"

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_HORIZON = timedelta(days=9 * 366)
"""Longer than the longest time between two matches: February 29th is missing for eight years around 2100."""
_WIDEST = timedelta(days=32)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9980, 1, 1, tzinfo=UTC)


class Timetable(Protocol):
    """Nominal times without an end, in UTC."""

    def times(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Return the times later than ``after`` and not later than ``until``, ascending, each once."""

    def next(self, after: datetime) -> datetime | None:
        """Return the first time later than ``after``; None after the year 9980."""

    def latest(self, count: int, after: datetime, until: datetime) -> list[datetime]:
        """Return the last ``count`` of ``times``, ascending.

        The work is bounded by ``count``, not by the time between ``after`` and ``until``.
        """


class Cron:
    """Times at which the clock of a time zone matches a cron expression.

    Raises:
        ScheduleError: the expression or the zone is invalid.
    """

    def __init__(self, expression: str, zone: str = DEFAULT_ZONE) -> None:
        self._fields = parse_cron(expression)
        self._zone = load_zone(zone)
        self._since_midnight = [
            timedelta(hours=hour, minutes=minute)
            for hour, minute in product(sorted(self._fields.hours), sorted(self._fields.minutes))
        ]

    def times(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Return the matching moments: those of a local day while its offset from UTC lasts, then the next ones."""
        cursor, end = _next_second(after), _next_second(until)
        while cursor < end:
            offset = offset_at(self._zone, cursor)
            day = self._fields.first_day((cursor + offset).date())
            midnight = datetime.combine(day, time(), UTC) - offset
            if midnight - cursor > _DAY:
                cursor = midnight - _DAY  # the offset may change before midnight, by less than a day
                continue
            stop = end_of_offset(self._zone, cursor, min(midnight + _DAY, end))
            first, last = (bisect_left(self._since_midnight, moment - midnight) for moment in (cursor, stop))
            for since_midnight in self._since_midnight[first:last]:
                yield midnight + since_midnight
            cursor = stop

    def next(self, after: datetime) -> datetime | None:
        """Return the first matching moment."""
        after = min(max(after, _EARLIEST - _SECOND), _LATEST)
        return next(self.times(after, after + _HORIZON), None)

    def latest(self, count: int, after: datetime, until: datetime) -> list[datetime]:
        """Return the last matching moments, looking backward: by days, or by up to a month where there are none."""
        found: list[datetime] = []
        after, until, width = max(after, _EARLIEST - _SECOND), min(until, _LATEST), _DAY
        while until > after and len(found) < count:
            start = max(after, until - width)
            part = deque(self.times(start, until), maxlen=count - len(found))
            found[:0] = part
            until, width = start, _DAY if part else min(2 * width, _WIDEST)
        return found


class Interval:
    """Times that are a multiple of ``every`` away from ``anchor``, before and after it.

    Raises:
        ScheduleError: ``every`` is not one or more whole seconds.
    """

    def __init__(self, every: timedelta, anchor: datetime) -> None:
        if every < _SECOND or every % _SECOND:
            raise ScheduleError(
                "spec.interval", f'invalid interval "{every.total_seconds():g}s"; use whole seconds, 1s or longer'
            )
        self._every = every
        self._anchor = anchor.replace(microsecond=0)

    def times(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Return the multiples."""
        end = _next_second(until)
        moment = self._at_or_after(_next_second(after))
        while moment < end:
            yield moment
            moment += self._every

    def next(self, after: datetime) -> datetime | None:
        """Return the first multiple."""
        moment = self._at_or_after(_next_second(after))
        return moment if moment < _LATEST else None

    def latest(self, count: int, after: datetime, until: datetime) -> list[datetime]:
        """Return the last multiples."""
        last = _next_second(until) - _SECOND
        steps = min(count, (last - _EARLIEST) // self._every + 1)
        return list(self.times(max(after, last - steps * self._every), until))

    def _at_or_after(self, moment: datetime) -> datetime:
        return self._anchor - (self._anchor - moment) // self._every * self._every


def timetable(*, cron: str | None, time_zone: str | None, interval: timedelta | None, anchor: datetime) -> Timetable:
    """Return the times that a specification describes; ``anchor`` is what an interval counts from.

    Raises:
        ScheduleError: a field is invalid; the error names the field and the fix.
    """
    if (cron is None) == (interval is None):
        raise ScheduleError("spec", "set exactly one of cron and interval")
    if interval is None:
        return Cron(cron or "", time_zone or DEFAULT_ZONE)
    if time_zone is not None:
        raise ScheduleError(
            "spec.timeZone", "an interval has no time zone; remove timeZone, or set cron instead of interval"
        )
    return Interval(interval, anchor)


def _next_second(moment: datetime) -> datetime:
    """Return the first whole second later than ``moment``, within the supported range."""
    if moment >= _LATEST:
        return _LATEST
    return moment.replace(microsecond=0) + _SECOND if moment >= _EARLIEST else _EARLIEST
