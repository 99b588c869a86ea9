"""Background tasks that no turn awaits; keeps them until they end, and knows nothing about their work."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

_OBEY_SECONDS = 1.0
"""Seconds that a cancelled task has to end; a task that ignores the cancel is abandoned."""


class FailureRecorder(Protocol):
    """Recorder of failures that belong to no object."""

    def on_task_failed(self, task: str, error: BaseException) -> None:
        """Record that a background task failed."""


class Background:
    """Set of background tasks."""

    def __init__(self, failed: Callable[[str, BaseException], None]) -> None:
        self._failed = failed
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """Return the number of tasks that are running."""
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, object], *, name: str) -> None:
        """Run ``work`` in the background."""
        self.add(asyncio.create_task(work, name=name))

    def add(self, task: asyncio.Task[Any]) -> None:
        """Keep a task until it ends, also if the caller stops waiting for it."""
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    async def finish(self, seconds: float) -> None:
        """Wait at most ``seconds`` for all tasks, including those that they start; then cancel the rest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_OBEY_SECONDS)

    def _on_task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(task.get_name(), error)
