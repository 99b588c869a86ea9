"""Entries of the run queue: lanes, sources and runs; decides nothing."""

from dataclasses import dataclass, field

from taskaction.execution.limits import UNLIMITED, SourceLimits
from taskaction.execution.ring import Place
from taskaction.execution.runs import LaneKey, QueuedRun

Entry = tuple[int, int, float, int, str, str]
"""Rank, order and id; a flat tuple, because comparisons dominate the cost of the heap."""


@dataclass(slots=True, eq=False)
class Lane:
    """Runs that wait behind each other: the global queue of a source in a namespace, or one of its partitions."""

    key: LaneKey
    heap: list[Entry] = field(default_factory=list)
    waiting: int = 0
    holders: set[str] | None = None  # partitions only: runs that occupy the partition, running or not
    seated: int = 0  # partitions only: how many of them are running
    place: Place | None = None  # in the ring, None while it is not ready

    def hold(self, run_id: str) -> None:
        """Occupy the partition."""
        if self.holders is None:  # saves the memory of empty sets in most of 50,000 partitions
            self.holders = set()
        self.holders.add(run_id)

    def release(self, run_id: str) -> None:
        """Free the partition."""
        if self.holders is not None:
            self.holders.discard(run_id)

    @property
    def held(self) -> int:
        """Number of runs that occupy the partition."""
        return len(self.holders) if self.holders is not None else 0


@dataclass(slots=True, eq=False)
class SourceState:
    """Limits of a source, and the runs that use or wait for them."""

    name: str
    limits: SourceLimits = UNLIMITED
    closed: bool = False
    seats: int = 0
    waiting: dict[str, None] = field(default_factory=dict)

    @property
    def free(self) -> int | None:
        """Number of runs that may start now, None if unlimited."""
        if self.closed:
            return 0
        return None if self.limits.concurrent is None else max(0, self.limits.concurrent - self.seats)

    @property
    def idle(self) -> bool:
        """Whether nothing of the source is known that must be kept."""
        return not (self.seats or self.waiting or self.closed) and self.limits is UNLIMITED


@dataclass(slots=True, eq=False)
class RunEntry:
    """A run from ``put`` or ``hold`` until it is forgotten and has left its worker."""

    run: QueuedRun
    entry: Entry | None = None  # its current entry; any other entry of a heap is stale and skipped
    lane: Lane | None = None  # where it waits
    busy: bool = False
    share: str = ""  # while busy: whose worker it has
    again: bool = False  # busy, and to be queued again afterwards
    holds: bool = False
    seated: bool = False
    forgotten: bool = False  # forgotten while it was busy
