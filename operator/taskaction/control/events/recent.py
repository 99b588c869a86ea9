"""What is over, for as long as late notifications about it may arrive."""

from itertools import takewhile
from typing import Generic, TypeVar

from taskaction.control.objects.tables import LATE_NOTICES

Key = TypeVar("Key")
Value = TypeVar("Value")


class RecentTable(Generic[Key, Value]):
    """Entries in the order of their times, which are monotonic; old ones are forgotten."""

    def __init__(self) -> None:
        self._entries: dict[Key, tuple[float, Value]] = {}

    def __contains__(self, key: object) -> bool:
        """Whether there is an entry."""
        return key in self._entries

    def get(self, key: Key) -> Value | None:
        """Return the value of an entry, or None."""
        entry = self._entries.get(key)
        return entry[1] if entry is not None else None

    def add(self, key: Key, value: Value, now: float) -> None:
        """Add an entry, and forget those that are too old by ``now``."""
        self._entries.pop(key, None)
        self._entries[key] = (now, value)
        old = takewhile(lambda entry: entry[1][0] < now - LATE_NOTICES, self._entries.items())
        for key_of_old in [key for key, _ in old]:
            del self._entries[key_of_old]
