"""Retries of calls until the API server gives a definite response."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from taskaction.cluster.errors import ClusterError, ForbiddenError, UnavailableError
from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock

T = TypeVar("T")

PATIENCE = Backoff(initial=0.2, factor=2.0, max=15.0, jitter=0.5)
"""Long enough to spare an overloaded API server, short enough to notice its recovery."""


class Retrier:
    """Retrier of calls that failed because of the server, with backoff, jitter and the server's ``Retry-After``.

    Only for calls with the operator's own account. Such calls are retried after a 403 as well: an API server that has
    just started returns it until it has read its roles, and a missing role can be granted.
    """

    def __init__(self, clock: Clock, jitter: Callable[[], float], retried: Callable[[Exception], None]) -> None:
        self._clock = clock
        self._jitter = jitter
        self._retried = retried

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return the result of ``call``; raise every ``ClusterError`` that is caused by the request itself."""
        attempt = 0
        while True:
            try:
                return await call()
            except (UnavailableError, ForbiddenError) as error:
                attempt += 1
                self._retried(error)
                await self._clock.sleep(max(_requested_delay(error), PATIENCE.delay(attempt, self._jitter())))


def _requested_delay(error: ClusterError) -> float:
    return (error.retry_after or 0.0) if isinstance(error, UnavailableError) else 0.0
