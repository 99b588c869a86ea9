"""The comparison of schedules with a walked clock: it finds times that are lost, double, additional or out of order."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from types import SimpleNamespace

import pytest

from benchmarks.figures import schedules
from benchmarks.figures.schedules import count_wrong, cron_times
from benchmarks.walked_cron import DAY, DrawnCron, days_of_change, draw, quarters_of
from taskaction.schedules.times import Cron

STAGE = SimpleNamespace(say=lambda _: None)


@pytest.mark.parametrize(
    ("got", "wrong"),
    [([1, 2, 3], 0), ([1, 3], 1), ([1, 2, 2, 3], 1), ([1, 2, 4], 2), ([1, 2, 3, 4], 1), ([2, 1, 3], 1), ([], 3)],
)
def test_wrong_times_are_counted(got: list[int], wrong: int) -> None:
    assert count_wrong([1, 2, 3], got) == wrong


class WithoutRepeats(Cron):
    """Times of which those of the hour after a clock was put back are missing, as in Debian's cron."""

    def times(self, after: datetime, until: datetime) -> Iterator[datetime]:
        local = self._zone
        for moment in super().times(after, until):
            if moment.astimezone(local).fold == 0:
                yield moment


@pytest.mark.parametrize(
    "fault",
    [
        lambda drawn, zone: WithoutRepeats(drawn.text, zone),
        lambda drawn, _: Cron(drawn.text, "UTC"),
        lambda drawn, zone: Cron(f"* {drawn.text.split(maxsplit=1)[1]}", zone),
    ],
    ids=["repeated times run once", "another zone", "every minute"],
)
def test_a_fault_is_found(fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "YEARS", (2026, 2027))
    monkeypatch.setattr(schedules, "ZONES", ("Europe/Berlin", "America/Santiago"))
    assert [row.value for row in schedules.measure(STAGE)] == [0]
    monkeypatch.setattr(schedules, "cron_times", fault)
    assert next(iter(schedules.measure(STAGE))).value > 0


def test_the_walk_shows_what_the_clock_shows() -> None:
    day = int(datetime.fromisoformat("2026-03-29T00:00:00+00:00").timestamp())
    assert [one for one in days_of_change("Europe/Berlin", 2026, 2026) if one < day + DAY] == [day]
    half_past = DrawnCron(
        minute=("30", frozenset({30})),
        hour=("1-3", frozenset({1, 2, 3})),
        day=("*", frozenset(range(1, 32))),
        month=("*", frozenset(range(1, 13))),
        weekday=("*", frozenset(range(7))),
    )
    found = half_past.times(quarters_of("Europe/Berlin", day - 7200, day + DAY - 7200))
    assert [timedelta(seconds=moment - day) for moment in found] == [timedelta(minutes=30), timedelta(minutes=90)]


def test_drawn_expressions_differ_and_are_valid() -> None:
    drawn = [draw(Random(seed)) for seed in range(300)]
    assert len({one.text for one in drawn}) > 290
    for one in drawn:
        fields = cron_times(one, "UTC")._fields
        assert (fields.minutes, fields.hours, fields.days) == (one.minute[1], one.hour[1], one.day[1])
        assert (fields.months, fields.weekdays) == (one.month[1], one.weekday[1])
