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
    """Requested keys, each of which is taken once however often it is added.

    Groups, such as namespaces, take turns; within a group, keys leave in the order of their first requests. So nobody
    waits behind all that somebody else has requested.
    """

    def __init__(self, name: str, requested: asyncio.Event) -> None:
        """Create a queue; ``name`` appears in errors, ``requested`` is set when a key is added."""
        self.name = name
        self._requested = requested
        self._groups: OrderedDict[str, OrderedDict[Key, None]] = OrderedDict()
        self._group_of: dict[Key, str] = {}

    def __len__(self) -> int:
        """Return the number of waiting keys."""
        return len(self._group_of)

    def add(self, key: Key, group: str = "") -> None:
        """Request that ``key`` is handled when it is the turn of ``group``."""
        if key in self._group_of:
            return
        self._group_of[key] = group
        self._groups.setdefault(group, OrderedDict())[key] = None
        self._requested.set()

    def add_last(self, key: Key, group: str = "") -> None:
        """Request that ``key`` is handled after all keys of ``group``, even if it was requested before."""
        before = self._group_of.pop(key, None)
        if before is not None:
            self._remove(key, before)
        self.add(key, group)

    def take(self) -> Key:
        """Remove and return the oldest key of the group whose turn it is; raise ``StopIteration`` if there is none."""
        group, keys = next(iter(self._groups.items()))
        key = next(iter(keys))
        del self._group_of[key]
        self._remove(key, group)
        if group in self._groups:
            self._groups.move_to_end(group)
        return key

    def _remove(self, key: Key, group: str) -> None:
        keys = self._groups[group]
        del keys[key]
        if not keys:
            del self._groups[group]


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
