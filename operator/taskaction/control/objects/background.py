"""Tasks that belong to nobody's turn, kept so that they are neither lost nor left over; knows nothing of their work."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

_OBEY_SECONDS = 1.0
"""How long a cancelled task may take to end; one that ignores it is left behind."""


class Background:
    """Starts tasks, reports the errors that nobody awaits, and waits for all of them at the end."""

    def __init__(self, failed: Callable[[str, BaseException], None]) -> None:
        self._failed = failed
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """Give how many tasks are under way."""
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, object], *, name: str) -> None:
        """Let ``work`` go on by itself."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def finish(self, seconds: float) -> None:
        """Wait until all tasks have ended, and those that they start; at most ``seconds``, then they are cancelled."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_OBEY_SECONDS)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(task.get_name(), error)
