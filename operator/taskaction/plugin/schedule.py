"""Growing waits between polls of external work, computed from times alone; no I/O, no state.

A wait that doubles from ``initial`` has grown to ``initial + t`` after a time t. So the wait follows from the start of
the attempt, in every process and after every restart, and needs no counter.
"""

from dataclasses import dataclass
from datetime import datetime

_LAST_LOOK = 1.0
"""Seconds before the deadline of the last poll: at the deadline itself, the attempt has already timed out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Growth of the waits between polls; the defaults are those of Globus Flows.

    Attributes:
        initial: seconds of the first wait.
        factor: the factor by which each further wait is longer, at least 1.
        longest: seconds of the longest wait.
    """

    initial: float = 1.0
    factor: float = 2.0
    longest: float = 600.0

    def wait(self, began: datetime, now: datetime, deadline: datetime | None = None) -> float:
        """Return the seconds until the next poll of work that began at ``began``; the last poll is at the deadline."""
        passed = max((now - began).total_seconds(), 0.0)
        wait = min(self.initial + passed * (self.factor - 1), max(self.longest, self.initial))
        if deadline is None:
            return wait
        left = (deadline - now).total_seconds() - _LAST_LOOK
        return min(wait, left) if left > 0 else wait
