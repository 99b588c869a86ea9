"""When something that goes on outside is asked next: longer and longer waits, from the times alone; no I/O, no memory.

A wait that doubles from ``initial`` on has, after a time t, grown to ``initial + t``: so what a counter would say
follows from the moment the attempt started, in every process and after every restart.
"""

from dataclasses import dataclass
from datetime import datetime

_LAST_LOOK = 1.0
"""Seconds before the deadline at which the last poll is made: on it, the attempt is out of time already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How the waits between polls grow; the defaults are those of Globus Flows (reference, section 2.9).

    Attributes:
        initial: seconds of the first wait.
        factor: how much longer each further wait is, at least 1.
        longest: seconds of the longest wait.
    """

    initial: float = 1.0
    factor: float = 2.0
    longest: float = 600.0

    def wait(self, began: datetime, now: datetime, deadline: datetime | None = None) -> float:
        """Give the seconds until the next poll of what began at ``began``; the last one is made at the deadline."""
        passed = max((now - began).total_seconds(), 0.0)
        wait = min(self.initial + passed * (self.factor - 1), max(self.longest, self.initial))
        if deadline is None:
            return wait
        left = (deadline - now).total_seconds() - _LAST_LOOK
        return min(wait, left) if left > 0 else wait
