"""Queue entries: the id of an action and its place in the queue."""

from dataclasses import dataclass
from typing import NamedTuple

Order = tuple[int, float, int, str]
"""Started attempts first (0 before 1), then creation time, then the first resourceVersion, then the name."""


class LaneKey(NamedTuple):
    """Key of a lane; ``going`` for the lane of runs with a running attempt."""

    namespace: str
    source: str
    partition: str | None
    going: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRun:
    """Queue entry of an action: its id and its place, never its body.

    Attributes:
        tenant: the namespace whose share of the workers the run uses; ``namespace`` unless its lane is shared.
        under_way: an attempt is open: it counts towards the limits of its source and does not start another one.
    """

    id: str
    namespace: str
    source: str
    partition: str | None = None
    priority: int = 0
    order: Order = (1, 0.0, 0, "")
    tenant: str = ""
    under_way: bool = False

    @property
    def has_started(self) -> bool:
        """Whether the run has had an attempt."""
        return not self.order[0]

    @property
    def share(self) -> str:
        """The namespace whose share of the workers the run uses."""
        return self.tenant or self.namespace

    @property
    def home(self) -> LaneKey:
        """The lane in which the run waits before an attempt, and which it occupies afterwards."""
        return LaneKey(self.namespace, self.source, self.partition)
