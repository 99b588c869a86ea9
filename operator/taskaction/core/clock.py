"""The clock as a value that is handed in, so that no decision reads the time by itself."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the edges may know about time."""

    def now(self) -> datetime:
        """Wall time in UTC: for records, never for judging leases."""

    def monotonic(self) -> float:
        """Seconds that never jump: for leases, deadlines and freshness."""

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Wall time in UTC, to the millisecond: the precision that records keep, so that they read back equal."""
        moment = datetime.now(UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running loop."""
        await asyncio.sleep(seconds)
