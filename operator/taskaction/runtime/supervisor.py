"""Supervision of the tasks that a process runs in the background until it stops."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Supervisor:
    """Set of named tasks that may only end when the process stops."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._ended = asyncio.Event()

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Start a task."""
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        task.add_done_callback(lambda _: self._ended.set())

    async def wait_for_end(self) -> None:
        """Return when a task has ended."""
        await self._ended.wait()

    def raise_if_ended(self) -> None:
        """Raise the error of a task that has ended."""
        for task in self._tasks:
            if task.done():
                task.result()
                raise RuntimeError(f"{task.get_name()} ended before the process stopped")

    async def join(self, *names: str) -> None:
        """Return when the tasks with these names have ended; raise the first error."""
        await asyncio.gather(*(task for task in self._tasks if task.get_name() in names))

    async def cancel(self) -> None:
        """Cancel the tasks, and return when all have ended; their errors are not raised."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
