"""Limits of a source: concurrency, queue length and rate; arithmetic without clock or I/O."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLimits:
    """Limits of one source; None is unlimited.

    Attributes:
        concurrent: maximum number of concurrent attempts.
        per_partition: maximum number of concurrent attempts with the same partition key.
        queued: maximum number of queued runs; further runs wait in the backlog.
    """

    concurrent: int | None = None
    per_partition: int = 1
    queued: int | None = None


UNLIMITED = SourceLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBucket:
    """Token bucket, stored as one timestamp: the time until which all starts are accounted for ("GCRA").

    Timestamps are seconds of wall time, so that a new owner can continue from the record of the previous one.

    Attributes:
        interval: seconds per token.
        burst: maximum number of tokens.
        used_until: when the bucket is full again if nothing starts.
    """

    interval: float
    burst: int
    used_until: float = 0.0

    def available_tokens(self, now: float) -> int:
        """Return the number of starts that are allowed now."""
        lacking = max(0.0, self.used_until - now) / self.interval
        return max(0, int(self.burst - lacking + _ROUNDING))

    def next_start_at(self, now: float) -> float:
        """Return when the next start is allowed; ``now`` if one is allowed now."""
        return max(now, self.used_until - (self.burst - 1) * self.interval)

    def spend(self, now: float, starts: int = 1) -> "TokenBucket":
        """Return the bucket after ``starts`` starts."""
        return replace(self, used_until=max(self.used_until, now) + starts * self.interval)


_ROUNDING = 1e-6
"""Tolerance for rounding, so that a token is available exactly at its time."""
