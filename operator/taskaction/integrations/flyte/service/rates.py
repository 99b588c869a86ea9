"""Rate limit of calls per caller; forgets the callers that have been quiet for longest."""

from connectrpc.code import Code
from connectrpc.errors import ConnectError

from taskaction.core.clock import Clock
from taskaction.execution.limits import TokenBucket

_REMEMBERED = 10_000


class CallerRateLimiter:
    """Limiter with one token bucket per caller, with the tokens of one second."""

    def __init__(self, clock: Clock, per_second: float | None) -> None:
        """``per_second`` None is any number."""
        self._clock = clock
        self._full = None if per_second is None else TokenBucket(interval=1 / per_second, burst=max(1, int(per_second)))
        self._buckets: dict[str, TokenBucket] = {}

    def spend(self, caller: str) -> None:
        """Spend a token; raises ``ConnectError`` with RESOURCE_EXHAUSTED, after which clients wait and retry."""
        if self._full is None:
            return
        now = self._clock.monotonic()
        bucket = self._buckets.pop(caller, self._full)
        if not bucket.available_tokens(now):
            self._buckets[caller] = bucket
            raise ConnectError(Code.RESOURCE_EXHAUSTED, f"{caller} exceeds the rate limit of calls; retry later")
        self._buckets[caller] = bucket.spend(now)
        while len(self._buckets) > _REMEMBERED:
            del self._buckets[next(iter(self._buckets))]
