"""Starts over time: a token bucket whose use is written down in advance, so that no successor gives a token twice.

It decides; who writes the reservation down, and when, is told by the manager's observer.
"""

from dataclasses import dataclass
from math import ceil

from taskaction.execution.limits import TokenBucket

_AHEAD_SECONDS = 5.0
_RECORD_SECONDS = 2.0
"""How long the record may be on its way; meanwhile time passes, and with it what was reserved from now on."""


@dataclass(slots=True)
class Pace:
    """The rate of one source as its present owner uses it.

    Attributes:
        bucket: the tokens; only starts of this owner and what its predecessors had reserved are taken from it.
        reserved_until: how far the bucket may be used before a new reservation is on record, seconds of wall time.
    """

    bucket: TokenBucket
    reserved_until: float = 0.0

    def starts(self, now: float) -> int:
        """Give how many runs may start now: there are tokens, and their use is on record."""
        used = max(self.bucket.used_until, now)
        recorded = int((self.reserved_until - used) / self.bucket.interval + 1e-6)
        return min(self.bucket.tokens(now), max(0, recorded))

    def to_reserve(self, now: float, waiting: int) -> float:
        """Give how far to reserve for ``waiting`` runs: what may start at once and within the next seconds.

        So one record serves many starts, and what a crash wastes is a few seconds' worth of tokens.
        """
        soon = ceil(_AHEAD_SECONDS / self.bucket.interval)
        starts = max(1, min(waiting, self.bucket.burst), min(soon, self.bucket.burst))
        return max(self.bucket.used_until, now + _RECORD_SECONDS) + starts * self.bucket.interval

    def taken_over(self, recorded: float) -> None:
        """Go on from what a predecessor has on record; all that it had reserved counts as used."""
        self.bucket = TokenBucket(
            interval=self.bucket.interval, burst=self.bucket.burst, used_until=max(self.bucket.used_until, recorded)
        )
        self.reserved_until = max(self.reserved_until, self.bucket.used_until)
