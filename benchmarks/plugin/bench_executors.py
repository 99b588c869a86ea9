"""Executors that the benchmark needs and nobody else; found by the entry points beside this file."""

import asyncio

from taskaction.plugin import AbstractExecutor, Outcome, Run, Succeeded


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
