"""Cron expressions: which values their fields have, and which are refused with a fix."""

from datetime import date

import pytest

from taskaction.schedules.cron_fields import parse_cron
from taskaction.schedules.errors import ScheduleError

EVERY_WEEKDAY = set(range(7))


@pytest.mark.parametrize(
    ("minute", "values"),
    {
        "0": {0},
        "05": {5},
        "59": {59},
        "*": set(range(60)),
        "?": set(range(60)),
        "*/1": set(range(60)),
        "*/15": {0, 15, 30, 45},
        "?/20": {0, 20, 40},
        "*/90": {0},
        "50/4": {50, 54, 58},
        "59/7": {59},
        "10-13": {10, 11, 12, 13},
        "10-20/5": {10, 15, 20},
        "5-5/2": {5},
        "1,3,5-7,*/30": {0, 1, 3, 5, 6, 7, 30},
    }.items(),
)
def test_values_of_a_field(minute: str, values: set[int]) -> None:
    assert parse_cron(f"{minute} 1 * * *").minutes == values


@pytest.mark.parametrize(
    ("weekday", "values"),
    {"0": {0}, "sun": {0}, "MON-fri": {1, 2, 3, 4, 5}, "1/2": {1, 3, 5}, "Tue,6": {2, 6}, "mon-1/2": {1}}.items(),
)
def test_days_of_the_week(weekday: str, values: set[int]) -> None:
    assert parse_cron(f"0 0 * * {weekday}").weekdays == values


def test_months_have_names() -> None:
    assert parse_cron("0 0 1 JAN,mar-May,12 *").months == {1, 3, 4, 5, 12}


@pytest.mark.parametrize(
    ("macro", "expression"),
    {
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
        "@monthly": "0 0 1 * *",
        "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@hourly": "0 * * * *",
    }.items(),
)
def test_macros(macro: str, expression: str) -> None:
    assert parse_cron(macro) == parse_cron(expression)


@pytest.mark.parametrize(
    ("days", "either"),
    {
        "13 * fri": True,
        "13 * *": False,
        "* * fri": False,
        "? * fri": False,
        "*/1 * fri": False,
        "1,* * fri": False,
        "*/2 * fri": True,
        "13 * 0-6": True,
        "13 * */2": True,
    }.items(),
)
def test_two_restricted_day_fields_are_alternatives(days: str, either: bool) -> None:
    assert parse_cron(f"0 0 {days}").either_day is either


def test_a_day_matches_by_month_and_by_either_field() -> None:
    fields = parse_cron("0 0 13 2 fri")
    assert fields.matches_day(date(2026, 2, 13))
    assert fields.matches_day(date(2026, 2, 6))
    assert not fields.matches_day(date(2026, 2, 7))
    assert not fields.matches_day(date(2026, 3, 13))


@pytest.mark.parametrize(
    ("expression", "message"),
    {
        "": "has 0 fields; use five",
        "* * * *": "has 4 fields; use five",
        "0 * * * * *": "has 6 fields; use five",
        "60 * * * *": 'invalid minute "60"; use 0 to 59',
        "* 24 * * *": 'invalid hour "24"; use 0 to 23',
        "* * 0 * *": 'invalid day of month "0"; use 1 to 31',
        "* * * 13 *": 'invalid month "13"; use 1 to 12 or jan to dec',
        "* * * * 7": 'invalid day of week "7"; use 0 to 6 or sun to sat',
        "* * * * 1-7": 'invalid day of week "1-7"; use 0 to 6 or sun to sat',
        "20-10 * * * *": 'invalid minute "20-10"; begin the range with its lower value',
        "* * * * fri-mon": 'invalid day of week "fri-mon"; begin the range with its lower value',
        "*/0 * * * *": 'invalid minute "*/0"; use a step of 1 or more, e.g. */5',
        "*/-1 * * * *": 'invalid minute "*/-1"; use a step of 1 or more, e.g. */5',
        "*/ * * * *": 'invalid minute "*/"; use a step of 1 or more, e.g. */5',
        "1,, * * * *": 'invalid minute ""; use 0 to 59',
        "*-5 * * * *": 'invalid minute "*-5"; use 0 to 59',
        "1-2-3 * * * *": 'invalid minute "1-2-3"; use 0 to 59',
        "+5 * * * *": 'invalid minute "+5"; use 0 to 59',
        "٣ * * * *": 'invalid minute "٣"; use 0 to 59',
        "* * L * *": 'invalid day of month "L"; use 1 to 31',
        "* * * * mon#1": 'invalid day of week "mon#1"; use 0 to 6 or sun to sat',
        "jan * * * *": 'invalid minute "jan"; use 0 to 59',
        f"{'9' * 5000} * * * *": "use 0 to 59",
        "0 0 30 2 *": "never matches: no month of it has a day 30; use a day that exists",
        "0 0 31 4,6,9,11 ?": "never matches: no month of it has a day 31; use a day that exists",
        "@reboot": "is unknown; use one of @annually, @daily",
        "@Daily": "is unknown; use one of",
        "@every 5m": "is an interval; remove spec.cron and set spec.interval",
        "TZ=UTC 0 0 * * *": "contains a time zone; move it to spec.timeZone",
        "CRON_TZ=Europe/Berlin @daily": "contains a time zone; move it to spec.timeZone",
    }.items(),
)
def test_an_invalid_expression_is_refused_with_a_fix(expression: str, message: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        parse_cron(expression)
    assert str(refused.value).startswith('spec.cron: invalid expression "')
    assert message in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("expression", ["0 0 29 2 *", "0 0 30 2 mon", "0 0 31 2,3 *", "0 0 31 2 0-6"])
def test_a_rare_date_is_not_one_that_never_matches(expression: str) -> None:
    assert parse_cron(expression).first_day(date(2026, 1, 1)) < date(2034, 1, 1)


@pytest.mark.parametrize(
    ("expression", "first"),
    {
        "0 0 29 2 *": date(2104, 2, 29),
        "0 0 1 1 *": date(2097, 1, 1),
        "0 0 31 * *": date(2096, 3, 31),
        "0 0 * 12 sun": date(2096, 12, 2),
        "* * * * *": date(2096, 3, 1),
    }.items(),
)
def test_the_first_matching_day(expression: str, first: date) -> None:
    assert parse_cron(expression).first_day(date(2096, 3, 1)) == first
