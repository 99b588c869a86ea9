"""Availability of the database: all who call it share what the last calls showed; pure but for the clock."""

from collections.abc import Callable

from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock

_RETRY = Backoff(initial=0.5, factor=2.0, max=15.0, jitter=0.5)


class Availability:
    """Whether the database answers, and when to call it again if it does not."""

    def __init__(self, clock: Clock, jitter: Callable[[], float]) -> None:
        """Create the availability of a database that was not called yet; ``jitter`` returns numbers in [0, 1)."""
        self._clock = clock
        self._jitter = jitter
        self._failures = 0
        self._away_since: float | None = None
        self._retry_at = 0.0

    @property
    def is_away(self) -> bool:
        """Whether the last call failed."""
        return self._away_since is not None

    @property
    def away_seconds(self) -> float:
        """Seconds since the first of the failed calls; 0 if the last call succeeded."""
        return self._clock.monotonic() - self._away_since if self._away_since is not None else 0.0

    @property
    def pause(self) -> float:
        """Seconds until the next call should be made; 0 if one can be made now."""
        return max(0.0, self._retry_at - self._clock.monotonic()) if self.is_away else 0.0

    def on_answered(self) -> None:
        """Learn that a call succeeded."""
        self._away_since, self._failures = None, 0

    def on_failed(self) -> None:
        """Learn that the database did not answer a call."""
        now = self._clock.monotonic()
        self._failures += 1
        self._retry_at = now + _RETRY.delay(self._failures, self._jitter())
        if self._away_since is None:
            self._away_since = now
