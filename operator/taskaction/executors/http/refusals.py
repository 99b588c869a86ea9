"""Memory of how long targets have refused polls; lost with the process, which only prolongs the patience; no I/O."""

from datetime import datetime, timedelta

AttemptId = tuple[str, str, int]
"""Uid, name and number of an attempt: inline calls of a run share its uid, and each visit has a name."""

_FORGOTTEN = timedelta(hours=1)


class Refusals:
    """Store of the first and last refusal of each attempt since its last good poll."""

    def __init__(self) -> None:
        self._times: dict[AttemptId, tuple[datetime, datetime]] = {}

    def record(self, attempt: AttemptId, now: datetime) -> timedelta:
        """Record a refusal, and return the time since the first one in a row."""
        first, _ = self._times.get(attempt, (now, now))
        if attempt not in self._times:  # whoever was aborted meanwhile never comes back
            self._times = {key: times for key, times in self._times.items() if now - times[1] < _FORGOTTEN}
        self._times[attempt] = first, now
        return now - first

    def clear(self, attempt: AttemptId) -> None:
        """Forget the refusals of an attempt."""
        self._times.pop(attempt, None)
