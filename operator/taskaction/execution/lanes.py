"""Entries of the run queue: lanes, sources and runs; decides nothing."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto

from taskaction.execution.limits import UNLIMITED, SourceLimits
from taskaction.execution.ring import Place
from taskaction.execution.runs import LaneKey, Order, QueuedRun

Entry = tuple[int, int, float, int, str, str]
"""Rank, order and id; a flat tuple, because comparisons dominate the cost of the heap."""


@dataclass(slots=True, eq=False)
class Lane:
    """Runs that wait behind each other: the global queue of a source in a namespace, or one of its partitions.

    Attributes:
        size: number of runs in the lane; ``ready`` is the number of those that may start when it is their turn.
        newest: order of the newest run that has been ready since the lane last had no ready run.
        holders: partitions only: runs that occupy the partition, running or not; ``seated`` of them are running.
        place: place in the ring; None while the lane is not ready.
    """

    key: LaneKey
    heap: list[Entry] = field(default_factory=list)
    size: int = 0
    ready: int = 0
    newest: Order | None = None
    holders: set[str] | None = None
    seated: int = 0
    place: Place | None = None

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

    def add_ready(self, order: Order) -> None:
        """Count a run that may start."""
        self.ready += 1
        if self.newest is None or order > self.newest:
            self.newest = order

    def remove_ready(self) -> None:
        """Count a run that may start no more, or has started."""
        self.ready -= 1
        if not self.ready:
            self.newest = None


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


class PendingRuns:
    """Number of waiting runs whose attempt has not started, by namespace."""

    def __init__(self) -> None:
        self._total = 0
        self._counts: Counter[str] = Counter()
        self._drained: set[str] = set()

    def __len__(self) -> int:
        """Return the number of runs."""
        return self._total

    def __contains__(self, namespace: str) -> bool:
        """Whether a run of a namespace waits."""
        return namespace in self._counts

    def add(self, namespace: str) -> None:
        """Count a run."""
        self._total += 1
        self._counts[namespace] += 1

    def remove(self, namespace: str) -> None:
        """Count a run that waits no more."""
        self._total -= 1
        self._counts[namespace] -= 1
        if not self._counts[namespace]:
            del self._counts[namespace]
            self._drained.add(namespace)

    def take_drained(self) -> set[str]:
        """Return the namespaces whose last run has left since the last call."""
        drained, self._drained = self._drained, set()
        return drained


class AfterTurn(Enum):
    """What follows for a run when the worker that has it returns it."""

    EXPECT = auto()  # nothing was said: it waits in its place until it may start
    REST = auto()  # it is held, and occupies its partition
    QUEUE = auto()  # it was requested again meanwhile
    FORGET = auto()


@dataclass(slots=True, eq=False)
class RunEntry:
    """A run from ``expect``, ``enqueue`` or ``hold`` until it is forgotten and has left its worker.

    Attributes:
        entry: its current entry in a lane; any other entry of a heap is stale and skipped.
        lane: the lane of the entry.
        ready: it is in a lane and may start when it is its turn.
        share: while it is busy: whose worker it has.
    """

    run: QueuedRun
    entry: Entry | None = None
    lane: Lane | None = None
    ready: bool = False
    busy: bool = False
    share: str = ""
    then: AfterTurn = AfterTurn.EXPECT
    holds: bool = False
    seated: bool = False

    @property
    def is_expected(self) -> bool:
        """Whether the run only has a place, and may not start yet."""
        return self.entry is not None and not self.ready
