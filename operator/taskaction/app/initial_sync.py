"""Detection of the moment when a replica knows all existing objects."""

from collections.abc import Sized

from taskaction.cluster.session import Freshness
from taskaction.core.clock import Clock

_SETTLE_SECONDS = 0.2
_POLL_SECONDS = 0.05


class InitialSync:
    """Monitor of the initial lists.

    It waits for listed objects only, because a busy cluster always has new notifications.
    """

    def __init__(self, freshness: Freshness, inbox: Sized, clock: Clock, watches: int) -> None:
        """Create a monitor for a number of ``watches``, whose objects arrive in ``inbox``."""
        self._freshness = freshness
        self._inbox = inbox
        self._clock = clock
        self._watches = watches
        self._listed = 0

    def on_notification(self, event: str | None) -> None:
        """Count a listed object, for which ``event`` is None."""
        self._listed += event is None

    async def wait(self) -> None:
        """Return when every watch has started and no listed object has arrived for a while."""
        while True:
            before, watched = self._listed, self._watched()
            await self._clock.sleep(_SETTLE_SECONDS if watched else _POLL_SECONDS)
            if self._watched() and not len(self._inbox) and self._listed == before:
                return

    def _watched(self) -> bool:
        return len(self._freshness.watched_paths) >= self._watches
