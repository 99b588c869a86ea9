"""Random cron expressions whose values are known, and their times by a walk over a clock, without code of the operator.

An expression is drawn as values and text together, so nothing parses it here. The walk looks at every minute of every
quarter of an hour, because every offset since 1980 is a multiple of a quarter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from random import Random
from zoneinfo import ZoneInfo

MINUTE, QUARTER, DAY = 60, 900, 86_400
MINUTES_A_DAY = 1440
SINCE_YEAR_ONE = date(1970, 1, 1).toordinal()
ANY = "*"
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

Quarters = Sequence[tuple[int, int]]
"""Starts of quarters of an hour: in UTC, and as the clock of a zone shows them; both in seconds."""
Term = tuple[str, frozenset[int]]


@dataclass(frozen=True)
class DrawnCron:
    """Text and values of a cron expression."""

    minute: Term
    hour: Term
    day: Term
    month: Term
    weekday: Term
    _days: dict[int, bool] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The expression."""
        return " ".join(term[0] for term in (self.minute, self.hour, self.day, self.month, self.weekday))

    def times(self, quarters: Quarters) -> list[int]:
        """Return the matching minutes of quarters of an hour, in seconds of UTC."""
        found: list[int] = []
        for utc, local in quarters:
            day, second = divmod(local, DAY)
            if second // 3600 in self.hour[1] and self._is_day(day):
                first = second % 3600 // MINUTE
                found += [utc + MINUTE * after for after in range(QUARTER // MINUTE) if first + after in self.minute[1]]
        return found

    def _is_day(self, day: int) -> bool:
        if day not in self._days:
            self._days[day] = self._matches(date.fromordinal(SINCE_YEAR_ONE + day))
        return self._days[day]

    def _matches(self, day: date) -> bool:
        in_month, in_week = day.day in self.day[1], day.isoweekday() % 7 in self.weekday[1]
        free = ANY in {self.day[0], self.weekday[0]}
        return day.month in self.month[1] and (in_month and in_week if free else in_month or in_week)


def draw(random: Random) -> DrawnCron:
    """Return an expression that matches on most days, several times an hour or a few times a day."""
    return DrawnCron(
        minute=random.choice((steps, steps, steps, single))(random, 0, 59),
        hour=random.choice((free, free, free, steps, span, single))(random, 0, 23),
        day=random.choice((free, free, free, span, steps))(random, 1, 31),
        month=random.choice((free, free, free, span))(random, 1, 12),
        weekday=random.choice((free, free, names, span))(random, 0, 6),
    )


def free(_: Random, low: int, high: int) -> Term:
    """Return all values."""
    return ANY, frozenset(range(low, high + 1))


def single(random: Random, low: int, high: int) -> Term:
    """Return one to three values."""
    values = random.sample(range(low, high + 1), random.randint(1, 3))
    return ",".join(map(str, values)), frozenset(values)


def span(random: Random, low: int, high: int) -> Term:
    """Return a range of at least half of the values."""
    first = random.randint(low, (low + high) // 2)
    last = random.randint((low + high) // 2, high)
    return f"{first}-{last}", frozenset(range(first, last + 1))


def steps(random: Random, low: int, high: int) -> Term:
    """Return every second to ninth value."""
    first, step = random.randint(low, low + 3), random.randint(2, 9)
    text = random.choice(
        (f"{first}/{step}", f"{first}-{high}/{step}", f"*/{step}" if first == low else f"{first}/{step}")
    )
    return text, frozenset(range(first, high + 1, step))


def names(random: Random, *_: int) -> Term:
    """Return some days of the week by their names."""
    values = random.sample(range(7), random.randint(2, 6))
    return ",".join(WEEKDAYS[value] for value in values), frozenset(values)


@cache
def read_zone(name: str) -> ZoneInfo:
    """Return a zone of the package ``tzdata``."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file)


def offset_of(zone: ZoneInfo, utc: int) -> int:
    """Return what a zone adds to UTC, in seconds; raise ``ValueError`` if that is no multiple of a quarter."""
    offset = datetime.fromtimestamp(utc, zone).utcoffset() or timedelta()
    seconds = int(offset.total_seconds())
    if seconds % QUARTER:
        raise ValueError(f"{utc}: an offset of {seconds} s")
    return seconds


def quarters_of(zone: str, start: int, end: int) -> Quarters:
    """Return the quarters of an hour from ``start`` on, before ``end``."""
    here = read_zone(zone)
    return [(utc, utc + offset_of(here, utc)) for utc in range(start, end, QUARTER)]


def days_of_change(zone: str, first_year: int, last_year: int) -> list[int]:
    """Return the starts of the days in UTC within which a zone changes its offset."""
    here = read_zone(zone)
    begin, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (first_year, last_year + 1))
    offsets = [offset_of(here, utc) for utc in range(begin, end + DAY, DAY)]
    return [begin + DAY * day for day, offset in enumerate(offsets[:-1]) if offset != offsets[day + 1]]
