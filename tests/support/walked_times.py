"""Times of a cron expression by walking over every minute: slow, plain, and without the code that it checks."""

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
NAMES = {
    name: number
    for names, low in (("jan feb mar apr may jun jul aug sep oct nov dec", 1), ("sun mon tue wed thu fri sat", 0))
    for number, name in enumerate(names.split(), start=low)
}


def walked_times(expression: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """Return the whole minutes in UTC, later than ``after`` and not later than ``until``, whose local time matches."""
    fields = expression.lower().replace("?", "*").split()
    local_zone, found = read_zone(zone), []
    minute = after.replace(second=0, microsecond=0)
    while (minute := minute + timedelta(minutes=1)) <= until:
        local = minute.astimezone(local_zone)
        values = (local.minute, local.hour, local.day, local.month, (local.weekday() + 1) % 7)
        matches = [has_value(*each) for each in zip(fields, values, BOUNDS, strict=True)]
        free = any("*" in field.split(",") for field in (fields[2], fields[4]))
        day = matches[2] and matches[4] if free else matches[2] or matches[4]
        if matches[0] and matches[1] and matches[3] and day:
            found.append(minute.astimezone(UTC))
    return found


@cache
def read_zone(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file)


def has_value(field: str, value: int, bounds: tuple[int, int]) -> bool:
    """Whether a field of numbers, names, ranges and steps contains a value."""
    for term in field.split(","):
        span, _, step = term.partition("/")
        low, dash, high = span.partition("-")
        first = bounds[0] if low == "*" else number(low)
        last = bounds[1] if low == "*" or (step and not dash) else number(high) if dash else first
        if first <= value <= last and (value - first) % int(step or 1) == 0:
            return True
    return False


def number(text: str) -> int:
    return NAMES[text] if text in NAMES else int(text)
