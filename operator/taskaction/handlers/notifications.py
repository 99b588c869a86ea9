"""Queue that passes notifications from kopf's thread to the engine's loop, in order and in batches."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

Notice = tuple[str, str | None, dict[str, Any]]
"""Kind, type of the watch event (None for a listed object), and the object."""

BATCH = 200
"""Number of notices that are processed before the loop runs other tasks, such as leases."""

BATCH_SECONDS = 0.01
"""Time after which a batch ends early."""


class NotificationQueue:
    """Thread-safe queue with one wake-up for any number of notices."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hand_on: Callable[[Notice], None]) -> None:
        self._loop = loop
        self._hand_on = hand_on
        self._notices: deque[Notice] = deque()
        self._awake = False

    def __len__(self) -> int:
        """Return the number of waiting notices."""
        return len(self._notices)

    def enqueue(self, notice: Notice) -> None:
        """Add a notice; called in kopf's thread."""
        self._notices.append(notice)
        if not self._awake:
            self._awake = True
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        # Reset first: a notice that arrives meanwhile wakes the loop again, at worst once too often.
        self._awake = False
        deadline = self._loop.time() + BATCH_SECONDS
        for _ in range(BATCH):
            try:
                notice = self._notices.popleft()
            except IndexError:
                return
            self._hand_on(notice)
            if self._loop.time() > deadline:  # large objects
                break
        if self._notices and not self._awake:
            self._awake = True
            self._loop.call_soon(self._drain)
