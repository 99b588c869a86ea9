"""A clock that a test advances, so that tests of timeouts need no waiting."""

import asyncio
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


class FakeClock:
    """Clock that a test controls; wall and monotonic time move together unless ``set_wall`` changes one."""

    def __init__(self, start: datetime = START) -> None:
        self._wall = start
        self._monotonic = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self.asked: list[float] = []
        """How long each sleep was to last, in their order."""

    def now(self) -> datetime:
        """Return the wall time."""
        return self._wall

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Return when ``advance`` has come so far."""
        self.asked.append(seconds)
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper = asyncio.get_running_loop().create_future()
        heappush(self._sleepers, (self._monotonic + seconds, next(self._numbers), sleeper))
        await sleeper

    @property
    def sleepers(self) -> int:
        """The number of sleepers."""
        return sum(not sleeper.done() for _, _, sleeper in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Advance the time: sleepers wake in order, each at its time, and run as far as they can."""
        await settle()
        end = self._monotonic + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, sleeper = heappop(self._sleepers)
            self._pass(at - self._monotonic)
            if not sleeper.done():
                sleeper.set_result(None)
                await settle()
        self._pass(end - self._monotonic)
        await settle()

    def set_wall(self, moment: datetime) -> None:
        """Set the wall clock, as an administrator does; monotonic time does not change."""
        self._wall = moment

    def _pass(self, seconds: float) -> None:
        self._monotonic += seconds
        self._wall += timedelta(seconds=seconds)


async def settle() -> None:
    """Return when every task has gone as far as it can without time or the outside."""
    for _ in range(20):
        await asyncio.sleep(0)
