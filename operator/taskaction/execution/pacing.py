"""Rate limit of starts: a token bucket whose use is reserved in advance, so that no new owner spends a token twice.

This module decides how much to reserve; the manager's observer records the reservation.
"""

from dataclasses import dataclass
from math import ceil

from taskaction.execution.limits import TokenBucket

_AHEAD_SECONDS = 5.0
_PREPARATION_SECONDS = 0.1
"""How long before its token a run may go to a worker, which prepares its call first."""
_RECORD_SECONDS = 2.0
"""Time for recording a reservation; it is added, because the reservation expires meanwhile."""


@dataclass(slots=True)
class Pace:
    """Rate limit of one source, as its current owner uses it.

    Attributes:
        bucket: the tokens; starts of this owner and reservations of previous owners are deducted.
        reserved_until: the time up to which the bucket may be used without a new reservation, seconds of wall time.
    """

    bucket: TokenBucket
    reserved_until: float = 0.0

    def allowed_starts(self, now: float) -> int:
        """Return how many calls may be made now: the tokens that are available and reserved."""
        return min(self.bucket.available_tokens(now), self.recorded_starts(now))

    def recorded_starts(self, now: float) -> int:
        """Return how many tokens are reserved from now on."""
        used = max(self.bucket.used_until, now)
        return max(0, int((self.reserved_until - used) / self.bucket.interval + 1e-6))

    def next_starts(self, now: float) -> int:
        """Return how many tokens there are when calls have been prepared."""
        ahead = _PREPARATION_SECONDS - max(0.0, self.bucket.used_until - now)
        return max(0, int(self.bucket.burst + ahead / self.bucket.interval + 1e-6))

    def next_reservation(self, now: float, waiting: int) -> float:
        """Return the time up to which to reserve for ``waiting`` runs: starts now and within the next seconds.

        One record then serves many starts, and a crash wastes only a few seconds' worth of tokens.
        """
        soon = ceil(_AHEAD_SECONDS / self.bucket.interval)
        starts = max(1, min(waiting, self.bucket.burst), min(soon, self.bucket.burst))
        return max(self.bucket.used_until, now + _RECORD_SECONDS) + starts * self.bucket.interval

    def take_over(self, recorded: float) -> None:
        """Continue from the record of a previous owner; all that it reserved counts as used."""
        self.bucket = TokenBucket(
            interval=self.bucket.interval, burst=self.bucket.burst, used_until=max(self.bucket.used_until, recorded)
        )
        self.reserved_until = max(self.reserved_until, self.bucket.used_until)
