"""Room for waiting ActionEvents in the memory of a replica, shared between namespaces; pure."""

from collections import Counter

from taskaction.control.events.matching import WaitingEvent


class EventRoom:
    """Count of the waiting events and their bytes by namespace.

    A namespace may use all that no other does. When nothing is left, one that has less than its equal share still gets
    it: otherwise the events of one would keep out those of all others. So the limits are exceeded twofold at most.
    """

    def __init__(self, *, events: int, payload_bytes: int) -> None:
        """Create a room for so many events, and so many bytes of their payloads."""
        self._most_events, self._most_bytes = events, payload_bytes
        self._all_bytes = self._all_events = 0
        self._events: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()

    def has_room(self, event: WaitingEvent) -> bool:
        """Whether an event can be kept."""
        size, namespace = len(event.payload), event.namespace
        if self._all_events < self._most_events and self._all_bytes + size <= self._most_bytes:
            return True
        namespaces = len(self._events) + (namespace not in self._events)
        return (
            self._events[namespace] < self._most_events // namespaces
            and self._bytes[namespace] + size <= self._most_bytes // namespaces
        )

    def add(self, event: WaitingEvent) -> None:
        """Count an event that is kept."""
        self._count(event, 1)

    def remove(self, event: WaitingEvent) -> None:
        """Count an event that is dropped."""
        self._count(event, -1)
        if not self._events[event.namespace]:
            del self._events[event.namespace], self._bytes[event.namespace]

    def _count(self, event: WaitingEvent, change: int) -> None:
        size = change * len(event.payload)
        self._all_events += change
        self._all_bytes += size
        self._events[event.namespace] += change
        self._bytes[event.namespace] += size
