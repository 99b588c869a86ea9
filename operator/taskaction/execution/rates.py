"""Rate limits of sources: which sources may start something, and the token that a call takes when it is made.

A run that a worker has is prepared first: its claim is written and its parameters are read, which may take long while
the API server stalls. So it gets its token only when its call is made; otherwise a target would see all calls that
were prepared during a stall at once.
"""

import asyncio
from collections import Counter, deque
from datetime import UTC, datetime
from typing import Protocol

from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda
from taskaction.execution.pacing import Pace
from taskaction.execution.queue import RunQueue
from taskaction.execution.runs import QueuedRun


class RateObserver(Protocol):
    """Observer of the limiter, which records reservations on its behalf."""

    def on_rate_exhausted(self, source: str, until: datetime) -> None:
        """Handle that the rate limit of a source is reached until then, and runs wait."""

    def on_reservation_needed(self, source: str) -> None:
        """Handle that runs of a source wait for a further reservation of its rate to be recorded."""


class RateLimiter:
    """Tokens of all sources with a rate limit."""

    def __init__(self, queue: RunQueue, observer: RateObserver, clock: Clock) -> None:
        """Create a limiter that opens and closes the sources of ``queue``."""
        self._queue = queue
        self._observer = observer
        self._clock = clock
        self._paces: dict[str, Pace] = {}
        self._preparing: Counter[str] = Counter()
        self._callers: dict[str, deque[asyncio.Future[None]]] = {}
        self.renewals: Agenda[str] = Agenda(clock)
        """Sources by the time of their next token."""

    def preparing_count(self, source: str) -> int:
        """Return the number of runs that a worker has and that have no token yet."""
        return self._preparing[source]

    def set_pace(self, source: str, pace: Pace | None) -> None:
        """Set the rate of a source; None is no limit."""
        if pace is not None:
            self._paces[source] = pace
            self.regulate(source)
            return
        self._paces.pop(source, None)
        self.renewals.set(source, None)
        self._queue.open_source(source)
        for caller in self._callers.pop(source, ()):
            self._admit(source, caller)

    def begin(self, run: QueuedRun) -> bool:
        """Count a run that a worker has taken; return whether it needs a token."""
        if run.source not in self._paces or run.under_way:
            return False
        self._preparing[run.source] += 1
        self.regulate(run.source)
        return True

    def end(self, source: str) -> None:
        """Count a run that needs no token any more, because it starts nothing."""
        self._count_out(source)
        self.regulate(source)

    async def take_token(self, source: str) -> None:
        """Return when the call of a run that has begun may be made; those that wait longest come first."""
        caller = asyncio.get_running_loop().create_future()
        self._callers.setdefault(source, deque()).append(caller)
        if source in self._paces:
            self.regulate(source)
        else:
            self.set_pace(source, None)  # the limit was removed meanwhile
        try:
            await caller
        except asyncio.CancelledError:
            if caller.cancelled():
                self.end(source)
            raise

    def regulate(self, source: str) -> None:
        """Give tokens to those that wait, open a source that has more, and otherwise await or request some."""
        pace = self._paces.get(source)
        if pace is None:
            return
        now = self._clock.now().timestamp()
        callers = self._callers.get(source)
        while callers and pace.allowed_starts(now) >= 1:
            if self._admit(source, callers.popleft()):
                pace.bucket = pace.bucket.spend(now)
        if not callers:
            self._callers.pop(source, None)
        preparing = self._preparing[source]
        soon, recorded = pace.next_starts(now), pace.recorded_starts(now)
        if soon > preparing and recorded > preparing:
            self._queue.open_source(source)
            if callers:  # they wait for their tokens also while others may be prepared
                self._await_tokens(source, pace, now, is_unrecorded=False)
        else:
            self._queue.close_source(source)
            if callers or self._queue.queued_count(source):  # otherwise checked again when the next run arrives
                self._await_tokens(source, pace, now, is_unrecorded=soon > preparing or recorded < preparing)

    def _await_tokens(self, source: str, pace: Pace, now: float, *, is_unrecorded: bool) -> None:
        if is_unrecorded:
            self._observer.on_reservation_needed(source)
        elif not pace.bucket.available_tokens(now):
            until = datetime.fromtimestamp(pace.bucket.next_start_at(now), UTC)
            self.renewals.set(source, until)
            self._observer.on_rate_exhausted(source, until)

    def _admit(self, source: str, caller: asyncio.Future[None]) -> bool:
        """Let a caller make its call; return False if it has given up."""
        if caller.done():
            return False
        self._count_out(source)
        caller.set_result(None)
        return True

    def _count_out(self, source: str) -> None:
        self._preparing[source] -= 1
        if not self._preparing[source]:
            del self._preparing[source]
