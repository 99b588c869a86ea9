"""Filter for watch events that are echoes of this process's own writes; runs in kopf's thread.

A finished action no longer matches the watch's selector, which the API server reports as a deletion. These are half of
all events, and kopf needs a third of a millisecond for each. Many arrive before the response to the write.
"""

from collections.abc import Callable

import orjson

from taskaction.control.objects.scheduled import owning_schedules

_DELETED = b'{"type":"DELETED",'


class OwnWriteFilter:
    """Filter for the ends of actions that this process finishes itself."""

    def __init__(self, *are_own: Callable[[str], bool]) -> None:
        """Create a filter; ``are_own`` say of a uid whether this process has written the end, or is writing it."""
        self._are_own = are_own

    def is_echo(self, line: bytes) -> bool:
        """Whether a watch event needs no handling."""
        if not line.startswith(_DELETED):
            return False
        metadata = orjson.loads(line)["object"]["metadata"]
        if owning_schedules(metadata):
            return False  # a time may wait for this end
        return any(is_own(metadata["uid"]) for is_own in self._are_own)
