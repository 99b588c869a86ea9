"""Go-style durations (``1h30m``, ``250ms``), as Kubernetes users write them; parses and prints, nothing else."""

import re
from datetime import timedelta
from decimal import Decimal

from taskaction.core.errors import DurationError

PATTERN = r"^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$"
"""The same in a CRD schema: unsigned, and no unit below a millisecond, which no controller can keep."""

_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|h|m|s)")
_WHOLE = re.compile(PATTERN)
_MILLISECONDS = {"h": Decimal(3_600_000), "m": Decimal(60_000), "s": Decimal(1_000), "ms": Decimal(1)}
_LONGEST_CHARS = 32


def parse_duration(text: str) -> timedelta:
    """Give the length of ``text``.

    Raises:
        DurationError: the text is no duration, or longer than a ``timedelta`` can hold.
    """
    if len(text) > _LONGEST_CHARS or not _WHOLE.fullmatch(text):
        raise DurationError(text)
    milliseconds = sum(Decimal(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(text))
    try:
        return timedelta(milliseconds=float(milliseconds))
    except OverflowError as error:
        raise DurationError(text) from error


def format_duration(duration: timedelta) -> str:
    """Give the shortest text that parses back to ``duration`` (to the millisecond); ``0s`` for none."""
    rest = round(duration.total_seconds() * 1000)
    parts: list[str] = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
