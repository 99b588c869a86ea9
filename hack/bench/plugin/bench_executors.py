"""Executors that the benchmark needs and nobody else; found by the entry points beside this file."""

import asyncio

from taskaction.executors.base import AbstractExecutor, Run
from taskaction.lifecycle.outcomes import Outcome, Succeeded


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
