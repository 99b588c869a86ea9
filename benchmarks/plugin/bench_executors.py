"""Executors that the benchmark needs and nobody else; found by the entry points beside this file."""

import asyncio
import os
import time
from pathlib import Path

from taskaction.plugin import AbstractExecutor, Outcome, Run, Succeeded, Toolbox


class OnceExecutor(AbstractExecutor):
    """Succeeds at once, and must not be called twice: it is claimed before the call."""

    ACTION_NAME = "bench-once"
    IDEMPOTENT = False

    async def execute(self, run: Run) -> Outcome:  # noqa: ARG002 - the contract's signature
        """Do nothing."""
        return Succeeded()


class HoldExecutor(AbstractExecutor):
    """Keeps its worker until the operator ends, so that everything behind it stays queued."""

    ACTION_NAME = "bench-hold"
    IDEMPOTENT = True

    async def execute(self, run: Run) -> Outcome:  # noqa: ARG002 - the contract's signature
        """Wait."""
        await asyncio.Event().wait()
        return Succeeded()


class WaitExecutor(AbstractExecutor):
    """Keeps its worker for half a second, as a call does that waits for an answer."""

    ACTION_NAME = "bench-wait"
    IDEMPOTENT = True

    async def execute(self, run: Run) -> Outcome:  # noqa: ARG002 - the contract's signature
        """Wait."""
        await asyncio.sleep(0.5)
        return Succeeded()


class LimitedExecutor(AbstractExecutor):
    """Never starts anything, since its target's quota is always used up."""

    ACTION_NAME = "bench-limited"
    IDEMPOTENT = True

    async def is_close_to_rate_limit(self, run: Run) -> bool:  # noqa: ARG002 - the contract's signature
        """Say so."""
        return True

    async def get_remaining_seconds_until_rate_limit(self, run: Run) -> float:  # noqa: ARG002 - the contract's signature
        """Give an hour."""
        return 3600.0

    async def execute(self, run: Run) -> Outcome:  # noqa: ARG002 - the contract's signature
        """Be never called."""
        raise AssertionError("the quota is used up")


class PauseExecutor(AbstractExecutor):
    """Records the longest CPU time of the event loop's thread between two beats that are 2 ms apart.

    That is at least the CPU time of the longest callback. It is written in milliseconds to the file that
    BENCH_LOOP_PAUSE_FILE names.
    """

    ACTION_NAME = "bench-pause"

    def __init__(self) -> None:
        self._file = os.environ.get("BENCH_LOOP_PAUSE_FILE")
        self._longest = 0.0
        self._before = time.thread_time()
        if self._file:
            self._loop = asyncio.get_running_loop()
            self._loop.call_later(2.0, self._beat)  # after the start, whose imports are no callback of an input

    @classmethod
    def build(cls, toolbox: Toolbox) -> "PauseExecutor":  # noqa: ARG003 - the contract's signature
        """Begin to record."""
        return cls()

    def _beat(self) -> None:
        now, first = time.thread_time(), self._longest == 0.0
        spent = 0.001 if first else (now - self._before) * 1000
        if spent > self._longest:
            self._longest = spent
            Path(str(self._file)).write_text(f"{spent:.1f}", encoding="utf-8")
        self._before = time.thread_time()
        self._loop.call_later(0.002, self._beat)

    async def execute(self, run: Run) -> Outcome:  # noqa: ARG002 - the contract's signature
        """Do nothing."""
        return Succeeded()
