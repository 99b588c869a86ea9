"""Nominal times of cron expressions and intervals, around changes of the clock and at the ends of the range."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.walked_cron import QUARTER, DrawnCron, draw, quarters_of
from taskaction.schedules.cron_fields import parse_cron
from taskaction.schedules.errors import ScheduleError
from taskaction.schedules.times import Cron, Interval, Timetable, timetable
from taskaction.schedules.zones import load_zone

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "after", "times"),
    [
        # a clock that is put forward skips times: they do not exist on that day
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00+01:00",
         ["2026-03-28T02:30+01:00", "2026-03-30T02:30+02:00"]),
        ("0 3 * * *", "Europe/Berlin", "2026-03-28T12:00+01:00",
         ["2026-03-29T03:00+02:00", "2026-03-30T03:00+02:00"]),
        ("0 * * * *", "America/New_York", "2026-03-08T00:30-05:00",
         ["2026-03-08T01:00-05:00", "2026-03-08T03:00-04:00"]),
        # a clock that is put back shows times twice: they exist twice on that day
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00+02:00",
         ["2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"]),
        ("0 1 * * *", "America/New_York", "2026-11-01T00:00-04:00",
         ["2026-11-01T01:00-04:00", "2026-11-01T01:00-05:00"]),
        ("0,30 1,2 * * *", "America/New_York", "2026-11-01T01:15-04:00",
         ["2026-11-01T01:30-04:00", "2026-11-01T01:00-05:00", "2026-11-01T01:30-05:00", "2026-11-01T02:00-05:00"]),
        # a change of half an hour
        ("*/15 2 * * *", "Australia/Lord_Howe", "2026-10-04T00:00+10:30",
         ["2026-10-04T02:30+11:00", "2026-10-04T02:45+11:00", "2026-10-05T02:00+11:00"]),
        ("0 3 * * *", "Australia/Lord_Howe", "2026-10-04T00:00+10:30", ["2026-10-04T03:00+11:00"]),
        # a change at midnight, after which the day begins at 1:00
        ("0 0 * * *", "Asia/Beirut", "2026-03-28T12:00+02:00", ["2026-03-30T00:00+03:00"]),
        ("0 12 29 3 *", "Asia/Beirut", "2026-03-28T12:00+02:00", ["2026-03-29T12:00+03:00"]),
        # a change at midnight, after which the day before ends again
        ("30 23 * * *", "America/Santiago", "2026-04-04T12:00-03:00",
         ["2026-04-04T23:30-03:00", "2026-04-04T23:30-04:00"]),
        # a day that a zone has skipped
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00-10:00",
         ["2011-12-29T12:00-10:00", "2011-12-31T12:00+14:00"]),
        # a rule of two day fields, and a date that is missing for eight years
        ("0 0 13 * fri", "UTC", "2026-02-01T00:00Z", ["2026-02-06T00:00Z", "2026-02-13T00:00Z", "2026-02-20T00:00Z"]),
        ("0 0 29 2 *", "UTC", "2096-02-29T00:00Z", ["2104-02-29T00:00Z"]),
    ],
)  # fmt: skip
def test_times_of_a_cron_expression(cron: str, zone: str, after: str, times: list[str]) -> None:
    cron_times = Cron(cron, zone)
    expected = [moment(text) for text in times]
    assert list(cron_times.times(moment(after), expected[-1])) == expected
    assert cron_times.next(moment(after)) == expected[0]


def test_times_of_an_interval() -> None:
    every_ninety = Interval(timedelta(seconds=90), moment("2026-01-31T00:00:10.700Z"))
    assert list(every_ninety.times(moment("2026-01-31T00:00:10Z"), moment("2026-01-31T00:03:10Z"))) == [
        moment("2026-01-31T00:01:40Z"),
        moment("2026-01-31T00:03:10Z"),
    ]
    assert every_ninety.next(moment("2026-01-30T23:58:40.5Z")) == moment("2026-01-31T00:00:10Z")


CRONS = st.integers().map(lambda seed: draw(Random(seed)))
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "America/Santiago",
     "Africa/Casablanca", "Africa/El_Aaiun", "America/Havana", "Asia/Kathmandu", "Antarctica/Troll", "Asia/Gaza",
     "Atlantic/Azores", "America/Scoresbysund", "America/Nuuk", "Pacific/Apia", "Europe/Dublin"]
)  # fmt: skip
MOMENTS = st.datetimes(
    moment("2005-01-01").replace(tzinfo=None), moment("2055-01-01").replace(tzinfo=None), timezones=st.just(UTC)
)
TIMETABLES = st.one_of(
    st.builds(Cron, CRONS.map(lambda drawn: drawn.text), ZONES),
    st.builds(
        Interval,
        st.integers(1, 100_000).map(lambda seconds: timedelta(seconds=seconds)),
        MOMENTS,
    ),
)


@given(drawn=CRONS, zone=ZONES, day=st.integers(13_000, 31_000), length=st.integers(1, 800))
def test_times_are_the_minutes_at_which_the_clock_matches(drawn: DrawnCron, zone: str, day: int, length: int) -> None:
    start, end = day * DAY.total_seconds(), day * DAY.total_seconds() + length * QUARTER
    first, last = (datetime.fromtimestamp(seconds - 1, UTC) for seconds in (start, end))
    found = [moment.timestamp() for moment in Cron(drawn.text, zone).times(first, last)]
    assert found == drawn.times(quarters_of(zone, int(start), int(end)))


@given(times=TIMETABLES, after=MOMENTS, count=st.integers(1, 50))
def test_next_walks_through_the_same_times(times: Timetable, after: datetime, count: int) -> None:
    walked = [after]
    for _ in range(count):
        following = times.next(walked[-1])
        assert following is not None
        assert following.microsecond == 0
        assert following.tzinfo is UTC
        walked.append(following)
    assert list(times.times(after, walked[-1])) == walked[1:]
    assert walked[1:] == sorted(set(walked[1:]))


@given(times=TIMETABLES, after=MOMENTS, count=st.integers(1, 60), length=st.timedeltas(-DAY, timedelta(days=400)))
@settings(max_examples=60, deadline=None)
def test_the_latest_times_are_the_last_ones(times: Timetable, after: datetime, count: int, length: timedelta) -> None:
    if isinstance(times, Interval):
        length /= 100
    assert times.latest(count, after, after + length) == list(times.times(after, after + length))[-count:]


@given(times=TIMETABLES, after=MOMENTS, parts=st.lists(st.timedeltas(timedelta(), 2 * DAY), max_size=8))
@settings(deadline=None)
def test_consecutive_spans_have_each_time_once(times: Timetable, after: datetime, parts: list[timedelta]) -> None:
    found, start = [], after
    for part in parts:
        found += times.times(start, start + part)
        start += part
    assert found == list(times.times(after, start))


@pytest.mark.parametrize("times", [Cron("* * * * *", "Asia/Tokyo"), Interval(SECOND, moment("2026-01-01T00:00Z"))])
def test_the_range_of_years_is_bounded(times: Timetable) -> None:
    lowest, highest = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    first = datetime(1970, 1, 1, tzinfo=UTC)
    assert times.next(lowest) == first
    assert times.next(highest) is None
    assert times.latest(1, lowest, lowest + DAY) == []
    assert list(times.times(lowest, first)) == [first]
    assert list(times.times(highest - DAY, highest)) == []
    assert times.latest(2, lowest, highest)[-1].year == 9979


class CountedCron(Cron):
    """Cron times that count how many were made."""

    made = 0

    def times(self, after: datetime, until: datetime):
        for nominal in super().times(after, until):
            self.made += 1
            yield nominal


@pytest.mark.parametrize(
    ("cron", "bound"), {"* * * * *": 1440, "0 0 * * *": 32, "* * * 1 *": 31 * 1440, "0 0 29 2 *": 1}.items()
)
def test_the_work_for_the_latest_times_does_not_grow_with_the_span(cron: str, bound: int) -> None:
    times = CountedCron(cron)
    assert len(times.latest(1, moment("1970-01-01T00:00Z"), moment("9000-12-31T00:00Z"))) == 1
    assert 1 <= times.made <= bound


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "spec: set exactly one of cron and interval"),
        ({"cron": "@daily", "interval": HOUR}, "spec: set exactly one of cron and interval"),
        ({"interval": HOUR, "time_zone": "UTC"}, "spec.timeZone: an interval has no time zone; remove timeZone"),
        ({"interval": timedelta()}, 'spec.interval: invalid interval "0s"; use whole seconds, 1s or longer'),
        ({"interval": -HOUR}, 'spec.interval: invalid interval "-3600s"'),
        ({"interval": timedelta(milliseconds=1500)}, 'spec.interval: invalid interval "1.5s"'),
        ({"cron": "60 * * * *"}, "spec.cron: invalid expression"),
        ({"cron": "@daily", "time_zone": "Mars/Olympus"}, "spec.timeZone: unknown time zone"),
        ({"cron": ""}, "spec.cron: invalid expression"),
    ],
)
def test_an_invalid_timetable_is_refused_with_field_and_fix(fields: dict, message: str) -> None:
    arguments = {"cron": None, "time_zone": None, "interval": None} | fields
    with pytest.raises(ScheduleError) as refused:
        timetable(**arguments, anchor=moment("2026-01-01T00:00Z"))
    assert str(refused.value).startswith(message)


def test_a_timetable_follows_from_the_fields() -> None:
    anchor = moment("2026-01-01T00:00Z")
    assert (
        timetable(cron="0 9 * * *", time_zone="Asia/Tokyo", interval=None, anchor=anchor).next(anchor) == anchor + DAY
    )
    assert timetable(cron="0 9 * * *", time_zone=None, interval=None, anchor=anchor).next(anchor) == anchor + 9 * HOUR
    assert timetable(cron=None, time_zone=None, interval=HOUR, anchor=anchor).next(anchor) == anchor + HOUR


def test_a_zone_and_an_expression_are_read_once() -> None:
    assert load_zone("Europe/Berlin") is load_zone("Europe/Berlin")
    assert parse_cron("0 0 * * *") == parse_cron("@daily")
