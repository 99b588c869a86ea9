"""Reader of cron expressions, with the grammar of the library that Kubernetes' CronJob uses (robfig/cron v3).

An expression has five fields: minute, hour, day of month, month, day of week. A field is a list of values, ranges
(``1-5``) and steps (``*/15``, ``10-40/10``; ``5/15`` begins at 5), separated by commas. ``?`` means ``*``. Months and
days of the week have English names of three letters; Sunday is 0, and there is no 7. ``@hourly``, ``@daily``,
``@midnight``, ``@weekly``, ``@monthly``, ``@yearly`` and ``@annually`` are whole expressions.

If both day fields are restricted, a day matches if either of them does. A field that contains ``*`` or ``?`` without a
step is not restricted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from taskaction.core.names import truncate
from taskaction.schedules.errors import ScheduleError

FIELD = "spec.cron"

_MACROS: Mapping[str, str] = MappingProxyType(
    {
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
        "@monthly": "0 0 1 * *",
        "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@hourly": "0 * * * *",
    }
)
_NUMBER_CHARS = 9
_SHOWN_CHARS = 60
_LONGEST_MONTHS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five fields: its name, its lowest and highest value, and the names of values from the lowest on."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY = _Field("day of month", 1, 31)
_MONTH = _Field("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"))
_WEEKDAY = _Field("day of week", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))
_FIELDS = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)


@dataclass(frozen=True, slots=True)
class CronFields:
    """Values that a local time must have.

    Attributes:
        weekdays: Sunday is 0.
        either_day: whether a day matches if one of ``days`` and ``weekdays`` does; otherwise both must.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def matches_day(self, day: date) -> bool:
        """Whether the times of day count on ``day``."""
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return in_month or in_week if self.either_day else in_month and in_week

    def first_day(self, day: date) -> date:
        """Return the first matching day that is not before ``day``, at most eight years later."""
        while not self.matches_day(day):
            if day.month in self.months:
                day += _ONE_DAY
            else:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        return day


def parse_cron(expression: str) -> CronFields:
    """Return the values of a cron expression.

    Raises:
        ScheduleError: the expression is invalid, or no date matches it.
    """
    if "TZ" in expression:
        raise _invalid(expression, "contains a time zone; move it to spec.timeZone")
    if expression.startswith("@every"):
        raise _invalid(expression, "is an interval; remove spec.cron and set spec.interval, e.g. 90s, 1m30s or 2h")
    if expression.startswith("@") and expression not in _MACROS:
        raise _invalid(expression, f"is unknown; use one of {', '.join(sorted(_MACROS))}, or five fields")
    words = _MACROS.get(expression, expression).split()
    if len(words) != len(_FIELDS):
        raise _invalid(
            expression,
            f"has {len(words)} fields; use five: minute, hour, day of month, month, day of week, e.g. 30 9 * * mon-fri",
        )
    try:
        minutes, hours, days, months, weekdays = (
            frozenset[int]().union(*(_values(term, field) for term in word.split(",")))
            for word, field in zip(words, _FIELDS, strict=True)
        )
    except ValueError as error:
        raise _invalid(expression, f"has an invalid {error}") from error
    either = not (_is_open(words[_FIELDS.index(_DAY)]) or _is_open(words[_FIELDS.index(_WEEKDAY)]))
    fields = CronFields(minutes, hours, days, months, weekdays, either_day=either)
    if not either and min(days) > max(_LONGEST_MONTHS[month] for month in months):
        raise _invalid(expression, f"never matches: no month of it has a day {min(days)}; use a day that exists")
    return fields


def _is_open(word: str) -> bool:
    """Whether a field has a term that every value matches."""
    return not {"*", "?", "*/1", "?/1"}.isdisjoint(word.split(","))


def _values(term: str, field: _Field) -> range:
    """Return the values of one term; raise ``ValueError`` with the name of the field, the term and the fix."""
    span, slash, step = term.partition("/")
    low, dash, high = span.partition("-")
    if low in {"*", "?"} and not dash:
        first, last = field.low, field.high
    else:
        first = _value(low, field, term)
        last = _value(high, field, term) if dash else field.high if slash else first
    every = _number(step) if slash else 1
    if every is None or every == 0:
        raise ValueError(f'{field.name} "{truncate(term, _SHOWN_CHARS)}"; use a step of 1 or more, e.g. */5')
    if first > last:
        raise ValueError(f'{field.name} "{truncate(term, _SHOWN_CHARS)}"; begin the range with its lower value')
    return range(first, last + 1, every)


def _value(text: str, field: _Field, term: str) -> int:
    """Return the value of a number or a name."""
    if text.lower() in field.names:
        return field.names.index(text.lower()) + field.low
    number = _number(text)
    if number is None or not field.low <= number <= field.high:
        names = f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
        raise ValueError(f'{field.name} "{truncate(term, _SHOWN_CHARS)}"; use {field.low} to {field.high}{names}')
    return number


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _NUMBER_CHARS else None


def _invalid(expression: str, problem: str) -> ScheduleError:
    return ScheduleError(FIELD, f'invalid expression "{truncate(expression, _SHOWN_CHARS)}": {problem}')
