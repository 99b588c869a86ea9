"""Slots for writes to the API server, which namespaces take in turn; knows nothing of what is written.

Without turns, the statuses of 3,000 actions of one namespace would all be written before the next one of another.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from enum import IntEnum
from typing import TypeVar

from taskaction.cluster.concurrency import ConcurrencyLimit
from taskaction.core.clock import Clock

T = TypeVar("T")


class WriteRank(IntEnum):
    """Order of the writes of one namespace."""

    AWAITED = 0
    """Something waits for it: a worker, an attempt, a deletion."""
    NEWS = 1
    """It only shows how things are: the status of an action that waits."""


class WriteSlots:
    """Slots of one process; the number follows the response times of the API server.

    A namespace may use all slots that no other wants. A free slot goes to the next namespace that waits for one, and
    there to its awaited writes first. A namespace of weight 3 gets three slots each time it is its turn.
    """

    def __init__(self, clock: Clock, limit: ConcurrencyLimit, weight_of: Callable[[str], int]) -> None:
        self._clock = clock
        self._limit = limit
        self._weight_of = weight_of
        self._in_flight = 0
        self._waiting: OrderedDict[str, _Namespace] = OrderedDict()

    async def run(
        self, namespace: str, rank: WriteRank, call: Callable[[], Awaitable[T]], key: Hashable | None = None
    ) -> T:
        """Make a call as soon as a slot is free, and return its result; what it raises is raised.

        ``key`` names the call for ``expedite`` while it waits.
        """
        await self._acquire(namespace, rank, key)
        sent = self._clock.monotonic()
        try:
            result = await call()
            self._limit.on_response(self._clock.monotonic() - sent, self._in_flight)
            return result
        finally:
            self._release()

    def expedite(self, namespace: str, key: Hashable) -> None:
        """Let the waiting call ``key`` be awaited: somebody began to wait for it after it had joined the line."""
        waiting = self._waiting.get(namespace)
        if waiting is not None:
            waiting.expedite(key)

    async def _acquire(self, namespace: str, rank: WriteRank, key: Hashable | None) -> None:
        if not self._waiting and self._in_flight < self._limit.value:
            self._in_flight += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(namespace)
        if waiting is None:
            waiting = self._waiting[namespace] = _Namespace(self._weight_of(namespace))
        waiting.add(turn, rank, key)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it has a slot already
                self._in_flight -= 1
            self._admit()  # nobody may wait behind a write that is gone
            raise

    def _release(self) -> None:
        self._in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        while self._in_flight < self._limit.value and self._waiting:
            namespace, waiting = next(iter(self._waiting.items()))
            turn = waiting.take()
            if turn is None:
                del self._waiting[namespace]
                continue
            if waiting.is_turn_over():
                self._waiting.move_to_end(namespace)
            self._in_flight += 1
            turn.set_result(None)


class _Namespace:
    """Waiting writes of one namespace."""

    def __init__(self, weight: int) -> None:
        self._weight = weight
        self._taken = 0
        self._turns: dict[WriteRank, OrderedDict[asyncio.Future[None], Hashable | None]] = {
            rank: OrderedDict() for rank in WriteRank
        }
        self._news: dict[Hashable, asyncio.Future[None]] = {}

    def add(self, turn: asyncio.Future[None], rank: WriteRank, key: Hashable | None) -> None:
        """Add a write at the end of its rank."""
        self._turns[rank][turn] = key
        if rank is WriteRank.NEWS and key is not None:
            self._news[key] = turn

    def expedite(self, key: Hashable) -> None:
        """Move a write from the news to the end of the awaited writes."""
        turn = self._news.pop(key, None)
        if turn is not None:
            del self._turns[WriteRank.NEWS][turn]
            self._turns[WriteRank.AWAITED][turn] = key

    def take(self) -> asyncio.Future[None] | None:
        """Remove and return the next write that still waits; None if there is none."""
        for turns in self._turns.values():
            while turns:
                turn, key = turns.popitem(last=False)
                if self._news.get(key) is turn:
                    del self._news[key]
                if not turn.done():
                    self._taken += 1
                    return turn
        return None

    def is_turn_over(self) -> bool:
        """Whether the namespace has had as many slots in this turn as its weight; then a new turn begins."""
        if self._taken < self._weight:
            return False
        self._taken = 0
        return True
