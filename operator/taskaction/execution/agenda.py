"""Timers by key: one task and one heap for all timers, cheaper than a timer for each run."""

import asyncio
from collections.abc import Callable, Hashable
from datetime import datetime
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, TypeVar

from taskaction.core.clock import Clock

_STALE_ENTRIES_KEPT = 64


Key = TypeVar("Key", bound=Hashable)
FailureHandler = Callable[[str, BaseException], None]
"""Receiver of an error and the name of what failed."""


class Agenda(Generic[Key]):
    """Timer queue; a key has one time, the last that was set."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: dict[Key, datetime] = {}
        self._numbers = count()  # a tie-breaker, so that keys need no order
        self._heap: list[tuple[datetime, int, Key]] = []
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Return the number of keys with a time."""
        return len(self._times)

    def at(self, key: Key) -> datetime | None:
        """Return the time of a key, or None."""
        return self._times.get(key)

    def set(self, key: Key, at: datetime | None) -> None:
        """Set the time of ``key``; None removes it."""
        if at is None:
            self._times.pop(key, None)
            return
        if self._times.get(key) == at:
            return
        self._times[key] = at
        if not self._heap or at < self._heap[0][0]:
            self._changed.set()
        heappush(self._heap, (at, next(self._numbers), key))
        if len(self._heap) > 2 * len(self._times) + _STALE_ENTRIES_KEPT:
            self._heap = [(time, next(self._numbers), known) for known, time in self._times.items()]
            heapify(self._heap)

    async def run(self, due: Callable[[Key], None], failed: FailureHandler) -> None:
        """Call ``due`` once for each key at its time, until cancelled; ``failed`` gets what it raises for one key."""
        while True:
            wait = self._serve(due, failed)
            self._changed.clear()
            if wait is None:
                await self._changed.wait()
                continue
            sleeper = asyncio.ensure_future(self._clock.sleep(wait))
            waker = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait({sleeper, waker}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleeper.cancel()
                waker.cancel()
                await asyncio.wait(
                    {sleeper, waker}
                )  # unlike await, this cannot confuse their cancellation with its own

    def _serve(self, due: Callable[[Key], None], failed: FailureHandler) -> float | None:
        """Call ``due`` for all keys that are due; return the seconds until the next one, or None."""
        now = self._clock.now()
        while self._heap:
            at, _, key = self._heap[0]
            if self._times.get(key) != at:
                heappop(self._heap)  # its time was changed or removed
                continue
            if at > now:
                return (at - now).total_seconds()
            heappop(self._heap)
            del self._times[key]
            try:
                due(key)
            except Exception as error:  # noqa: BLE001 - one key must not stop the timers of the others
                failed(f"timer of {key}", error)
        return None
