"""Queues of keys, and the one loop that takes a key and handles it alone.

Whoever wants an object to be looked at adds its key and goes on. So no part calls into another one that is in the
middle of a decision, and many reasons to look at one object cost one look. Controllers call this a work queue, as
``k8s.io/client-go/util/workqueue`` does.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

_SECONDS_AT_ONCE = 0.01
_KEYS_AT_ONCE = 20
"""Time and number of keys after which the loop lets other tasks run."""

Key = TypeVar("Key", bound=Hashable)


class WorkQueue(Generic[Key]):
    """Requested keys in the order of their first requests; a key that is added twice is taken once."""

    def __init__(self, name: str, requested: asyncio.Event) -> None:
        """Create a queue; ``name`` appears in errors, ``requested`` is set when a key is added."""
        self.name = name
        self._requested = requested
        self._keys: OrderedDict[Key, None] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of waiting keys."""
        return len(self._keys)

    def add(self, key: Key) -> None:
        """Request that ``key`` is handled."""
        self._keys[key] = None
        self._requested.set()

    def add_last(self, key: Key) -> None:
        """Request that ``key`` is handled after all keys that wait now, even if it was requested before."""
        self._keys.pop(key, None)
        self.add(key)

    def take(self) -> Key:
        """Remove and return the oldest key; raise ``KeyError`` if the queue is empty."""
        return self._keys.popitem(last=False)[0]


class WorkLoop:
    """Loop over several queues: a key of an earlier queue is handled before all keys of later ones."""

    def __init__(self, requested: asyncio.Event, failed: Callable[[str, BaseException], None]) -> None:
        """Create a loop; ``failed`` is called with what a handler raises, which ends nothing else."""
        self._requested = requested
        self._failed = failed

    async def run(self, handlers: Sequence[tuple[WorkQueue[Any], Callable[[Any], None]]]) -> None:
        """Handle keys until cancelled; ``handlers`` has each queue with its handler, the most urgent first."""
        while True:
            await self._requested.wait()
            self._requested.clear()
            handled, since = 0, time.monotonic()
            while (found := next((pair for pair in handlers if len(pair[0])), None)) is not None:
                self._handle(*found)
                handled += 1
                if handled == _KEYS_AT_ONCE or time.monotonic() - since > _SECONDS_AT_ONCE:
                    await asyncio.sleep(0)
                    handled, since = 0, time.monotonic()

    def _handle(self, queue: WorkQueue[Any], handler: Callable[[Any], None]) -> None:
        key = queue.take()
        try:
            handler(key)
        except Exception as error:  # noqa: BLE001 - one object must not stop the others
            self._failed(f"{queue.name} {key}", error)
