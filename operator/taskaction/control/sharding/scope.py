"""Extent of what a replica takes from its watch of actions; knows no action and asks nobody."""

from enum import Enum


class _Extent(Enum):
    ALL = "all"
    CATCHING_UP = "catching up"
    OWN = "own"


class WatchScope:
    """Whether this replica takes all actions from its watch, or leaves out those that only other replicas need.

    A replica may acquire a shard only while it knows all actions. The event loop changes the scope; kopf's thread reads
    it before each line.
    """

    def __init__(self) -> None:
        """Create a scope of all actions: the first lists show every one."""
        self._extent = _Extent.ALL

    @property
    def is_complete(self) -> bool:
        """Whether all unfinished actions are known."""
        return self._extent is _Extent.ALL

    @property
    def is_reduced(self) -> bool:
        """Whether the actions that only other replicas need are left out."""
        return self._extent is _Extent.OWN

    def reduce(self) -> None:
        """Leave out what only other replicas need from now on."""
        self._extent = _Extent.OWN

    def expand(self) -> None:
        """Leave out nothing from now on; what was left out before is still unknown."""
        if self._extent is _Extent.OWN:
            self._extent = _Extent.CATCHING_UP

    def complete(self) -> None:
        """Record that what was left out before is known, too."""
        self._extent = _Extent.ALL
