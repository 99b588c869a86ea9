"""How many nominal times of schedules are lost, double or wrong around changes of the clock, against a walked clock."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from random import Random

from benchmarks.figures.group import Group
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import Stage
from benchmarks.walked_cron import DAY, DrawnCron, days_of_change, draw, quarters_of
from taskaction.api.enums import CatchUpPolicy
from taskaction.schedules.due import Rules, decide
from taskaction.schedules.times import Cron, Interval, Timetable

YEARS = (2025, 2055)
ZONES: tuple[str, ...] = ()
"""Zones to measure; all of the IANA database if empty."""
EACH = 3
"""Cron expressions of each zone; each zone also has an interval."""
AROUND = DAY
"""Seconds before and after the day of a change."""
DECIDED = 25
"""One of so many windows is also served by decisions, as the operator makes them."""
SAY_EVERY = 100
WRONG = Figure("schedule_wrong", "times", Target(0))


def measure(stage: Stage) -> Iterator[Row]:
    """Compare all times of all schedules; each is in the right order exactly once, or counts as wrong."""
    total = wrong = schedules = 0
    zones = ZONES or tuple((files("tzdata") / "zones").read_text().split())
    for number, zone in enumerate(zones, start=1):
        random = Random(zone)  # noqa: S311 - the same schedules in every run
        drawn = [draw(random) for _ in range(EACH)]
        every = random.randrange(61, 5000)
        schedules += len(drawn) + 1
        for start, end in windows(zone):
            decided = random.randrange(DECIDED) == 0
            quarters = quarters_of(zone, start, end)
            expected = [(cron_times(one, zone), one.times(quarters)) for one in drawn]
            expected.append((interval_times(every, start), list(range(start, end, every))))
            for times, seconds in expected:
                total += len(seconds)
                wrong += count_wrong(seconds, computed(times, start, end))
                wrong += count_wrong(seconds, served(times, start, end)) if decided else 0
        if number % SAY_EVERY == 0 or number == len(zones):
            stage.say(f"[{number}/{len(zones)}] {schedules} schedules, {total} times, {wrong} wrong")
    yield WRONG.measured(wrong)


def windows(zone: str) -> Iterator[tuple[int, int]]:
    """Return the time around each change of the clock; a zone without any has one in each year."""
    days = days_of_change(zone, *YEARS)
    for day in days or [int(datetime(year, 2, 28, tzinfo=UTC).timestamp()) for year in range(YEARS[0], YEARS[1] + 1)]:
        yield day - AROUND, day + DAY + AROUND


def cron_times(drawn: DrawnCron, zone: str) -> Timetable:
    """Return the times of a cron expression as the operator reads it."""
    return Cron(drawn.text, zone)


def interval_times(every: int, start: int) -> Timetable:
    """Return the times of an interval that counts from ``start``."""
    return Interval(timedelta(seconds=every), datetime.fromtimestamp(start, UTC))


def computed(times: Timetable, start: int, end: int) -> list[int]:
    """Return the times from ``start`` on, before ``end``."""
    first, last = datetime.fromtimestamp(start - 1, UTC), datetime.fromtimestamp(end - 1, UTC)
    return [int(moment.timestamp()) for moment in times.times(first, last)]


def served(times: Timetable, start: int, end: int) -> list[int]:
    """Return what decisions start, each made when the one before it asked for it."""
    now: datetime | None = datetime.fromtimestamp(start - 1, UTC)
    rules = Rules(
        uid="bench", created=datetime.fromtimestamp(start - 1, UTC), timetable=times, catch_up=CatchUpPolicy.NONE
    )
    last, started = None, list[int]()
    while now is not None and now.timestamp() < end:
        decision = decide(rules, last, (), now)
        started += [int(moment.timestamp()) for moment in decision.starts]
        last, now = decision.last, decision.wake
    return started


def count_wrong(expected: list[int], got: list[int]) -> int:
    """Return the number of times that are lost, double, additional or out of order."""
    if expected == got:
        return 0
    lost, added = Counter(expected) - Counter(got), Counter(got) - Counter(expected)
    return lost.total() + added.total() or 1


GROUP = Group("schedules", (WRONG,), measure)
