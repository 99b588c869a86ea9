"""Tries a call until the API server has an opinion on it; knows nothing of what is called."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from taskaction.cluster.errors import ClusterError, ForbiddenError, UnavailableError
from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock

T = TypeVar("T")

PATIENCE = Backoff(initial=0.2, factor=2.0, max=15.0, jitter=0.5)
"""Long enough to spare a struggling API server, short enough to be there when it returns."""


class Persistence:
    """Repeats calls that failed for the server's sake, with backoff, jitter and its own ``Retry-After``.

    For calls in the operator's own name. To these a 403 is no final answer: an API server that has just started gives
    it until it has read its roles, and a role that is missing can be granted.
    """

    def __init__(self, clock: Clock, luck: Callable[[], float], retried: Callable[[Exception], None]) -> None:
        self._clock = clock
        self._luck = luck
        self._retried = retried

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        """Give what ``call`` gives; raises every ``ClusterError`` that is about the request itself."""
        attempt = 0
        while True:
            try:
                return await call()
            except (UnavailableError, ForbiddenError) as error:
                attempt += 1
                self._retried(error)
                await self._clock.sleep(max(_asked(error), PATIENCE.delay(attempt, self._luck())))


def _asked(error: ClusterError) -> float:
    return (error.retry_after or 0.0) if isinstance(error, UnavailableError) else 0.0
