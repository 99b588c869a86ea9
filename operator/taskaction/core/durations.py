"""Parser and formatter of Go-style durations (``1h30m``, ``250ms``), as Kubernetes users write them."""

import re
from datetime import timedelta
from decimal import Decimal

from taskaction.core.errors import DurationError

PATTERN = r"^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$"
"""Pattern in CRD schemas: unsigned, without units below a millisecond, which no controller can guarantee."""

_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|h|m|s)")
_WHOLE = re.compile(PATTERN)
_MILLISECONDS = {"h": Decimal(3_600_000), "m": Decimal(60_000), "s": Decimal(1_000), "ms": Decimal(1)}
_LONGEST_CHARS = 32


def parse_duration(text: str) -> timedelta:
    """Return the duration in ``text``.

    Raises:
        DurationError: the text is not a duration, or exceeds the range of ``timedelta``.
    """
    if len(text) > _LONGEST_CHARS or not _WHOLE.fullmatch(text):
        raise DurationError
    milliseconds = sum(Decimal(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(text))
    try:
        return timedelta(milliseconds=float(milliseconds))
    except OverflowError as error:
        raise DurationError from error


def format_duration(duration: timedelta) -> str:
    """Return the shortest text that parses back to ``duration`` (in milliseconds); ``0s`` for zero."""
    rest = round(duration.total_seconds() * 1000)
    parts: list[str] = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
