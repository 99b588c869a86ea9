"""The clock as a dependency, so that no decision reads the time itself."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Source of time and delays."""

    def now(self) -> datetime:
        """Return the wall time in UTC: for records, never for leases."""

    def monotonic(self) -> float:
        """Return monotonic seconds: for leases, deadlines and freshness."""

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Return the wall time in UTC, in milliseconds: the precision of records, so that they read back equal."""
        return datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep in the running event loop."""
        await asyncio.sleep(seconds)
