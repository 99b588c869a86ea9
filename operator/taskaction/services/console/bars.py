"""Bars of a timeline of attempts, in units of a drawing; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskaction.api.bodies import parse_time

WIDTH = 1000.0
_SHORTEST = 4.0


@dataclass(frozen=True, slots=True)
class Bar:
    """Attempt as a bar: its place and width, of ``WIDTH`` for all attempts together."""

    number: int
    phase: str
    x: float
    width: float
    seconds: float


def draw_bars(attempts: Sequence[dict[str, Any]], now: datetime) -> list[Bar]:
    """Return the bars of those attempts whose start is known; one that runs ends now."""
    known = [
        (one, start, max(start, parse_time(one.get("endedAt")) or now))
        for one in attempts
        if (start := parse_time(one.get("startedAt"))) is not None
    ]
    if not known:
        return []
    first, last = min(start for _, start, _ in known), max(end for *_, end in known)
    scale = WIDTH / max((last - first).total_seconds(), 0.001)
    found = []
    for one, start, end in known:
        width = max(_SHORTEST, (end - start).total_seconds() * scale)
        x = min((start - first).total_seconds() * scale, WIDTH - width)
        number, phase, seconds = one.get("number", 0), str(one.get("phase", "")), (end - start).total_seconds()
        found.append(Bar(number, phase, max(0.0, x), width, seconds))
    return found
