"""What the engine knows of an action: its id and its place; values without behaviour."""

from dataclasses import dataclass
from typing import NamedTuple

Order = tuple[int, float, int, str]
"""Started attempts first (0 before 1), then creation time, then the first resourceVersion, then the name."""


class LaneKey(NamedTuple):
    """Where a run waits; ``going`` is the lane of those whose attempt is under way."""

    namespace: str
    source: str
    partition: str | None
    going: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRun:
    """What the queue knows of an action: its id and its place, never its body.

    Attributes:
        under_way: an attempt is open, so that it counts against the limits of its source and starts nothing new.
    """

    id: str
    namespace: str
    source: str
    partition: str | None = None
    priority: int = 0
    order: Order = (1, 0.0, 0, "")
    under_way: bool = False

    @property
    def home(self) -> LaneKey:
        """The lane that it waits in before an attempt, and keeps closed afterwards."""
        return LaneKey(self.namespace, self.source, self.partition)
