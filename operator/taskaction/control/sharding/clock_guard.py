"""Comparison of this machine's wall clock with the API server's: records, timeouts and epochs depend on it."""

from taskaction.cluster.gateway import ServerTime
from taskaction.core.clock import Clock

TOLERANCE_SECONDS = 5.0


class ClockGuard:
    """Judge of the wall clock.

    The time of the API server goes on with the monotonic clock between two responses, so a wall clock that somebody
    changes is noticed at once.
    """

    def __init__(self, clock: Clock) -> None:
        """Create a guard that trusts the clock until the time of the API server is known."""
        self._clock = clock
        self._offset: float | None = None

    def update(self, server: ServerTime | None) -> None:
        """Set the time of the API server, as its last response had it."""
        if server is not None:
            self._offset = server.wall - server.monotonic

    def server_time(self) -> float | None:
        """Return the Unix time of the API server; None if that is not known."""
        return None if self._offset is None else self._clock.monotonic() + self._offset

    def skew_seconds(self) -> float:
        """Return by how much this machine's clock is ahead of the API server's; 0 if that is not known."""
        server = self.server_time()
        return 0.0 if server is None else self._clock.now().timestamp() - server

    @property
    def is_clock_right(self) -> bool:
        """Whether the clock may be relied on."""
        return abs(self.skew_seconds()) <= TOLERANCE_SECONDS
