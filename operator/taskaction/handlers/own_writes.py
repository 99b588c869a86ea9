"""Filter for watch events that are echoes of this process's own writes; runs in kopf's thread.

A finished action no longer matches the watch's selector, which the API server reports as a deletion. These are half of
all events, and kopf needs a third of a millisecond for each.
"""

from collections.abc import Container

import orjson

_DELETED = b'{"type":"DELETED",'


class OwnWriteFilter:
    """Filter for the ends of actions that this process finished itself."""

    def __init__(self, *finished: Container[str]) -> None:
        """Create a filter; ``finished`` contain the uids and are only read."""
        self._finished = finished

    def is_echo(self, line: bytes) -> bool:
        """Whether a watch event needs no handling."""
        if not line.startswith(_DELETED):
            return False
        uid = orjson.loads(line)["object"]["metadata"]["uid"]
        return any(uid in finished for finished in self._finished)
