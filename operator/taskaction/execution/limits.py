"""How much of a source may be used at a time and over time; arithmetic without clock or I/O."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of one source may be used at a time; None is unlimited.

    Attributes:
        concurrent: attempts under way at a time.
        per_partition: attempts under way at a time with the same partition key.
        queued: runs that may wait in the queue; more wait outside of it.
    """

    concurrent: int | None = None
    per_partition: int = 1
    queued: int | None = None


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBucket:
    """A token bucket, kept as one moment: until when starts so far are accounted for ("GCRA").

    Moments are seconds of wall time, so that a successor can go on with what its predecessor has written down.

    Attributes:
        interval: seconds until another token comes.
        burst: how many tokens there can be.
        used_until: when the bucket will be full again, were nothing started.
    """

    interval: float
    burst: int
    used_until: float = 0.0

    def tokens(self, now: float) -> int:
        """Give how many starts are allowed at once."""
        lacking = max(0.0, self.used_until - now) / self.interval
        return max(0, int(self.burst - lacking + _ROUNDING))

    def opens_at(self, now: float) -> float:
        """Give when the next start is allowed; ``now`` where one is."""
        return max(now, self.used_until - (self.burst - 1) * self.interval)

    def spent(self, now: float, starts: int = 1) -> "TokenBucket":
        """Give the bucket after ``starts`` starts."""
        return replace(self, used_until=max(self.used_until, now) + starts * self.interval)

    def returned(self, starts: int = 1) -> "TokenBucket":
        """Give the bucket after starts that did not come about."""
        return replace(self, used_until=self.used_until - starts * self.interval)


_ROUNDING = 1e-6
"""So that a token that comes at a moment is there at that moment, whatever the binary fractions say."""
