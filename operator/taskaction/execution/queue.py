"""The order of work: lanes in a two-level round-robin ring; a data structure without tasks, clock or I/O.

A lane is the global queue of a source, or one of its partitions (``<source>:<key>``). The ring serves the highest
priority first, within it one namespace after the other, within each one lane after the other, so that neither a busy
tenant nor a busy key starves the others (Ocean seed, "Worker Pool & Round-Robin Distribution").
"""

from bisect import insort
from collections import OrderedDict
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

Order = tuple[int, float, int, str]
"""Started attempts first (0 before 1), then creation time, then the first resourceVersion, then the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRun:
    """What the queue knows of an action: its id and its place, never its body."""

    id: str
    namespace: str
    source: str
    partition: str | None = None
    priority: int = 0
    order: Order = (1, 0.0, 0, "")

    @property
    def lane(self) -> "LaneKey":
        """The lane that it waits in."""
        return (self.namespace, self.source, self.partition)


LaneKey = tuple[str, str, str | None]
_Entry = tuple[int, Order, str]
_STALE_ENTRIES_KEPT = 16


@dataclass(slots=True)
class _Lane:
    key: LaneKey
    heap: list[_Entry] = field(default_factory=list)
    waiting: int = 0
    holder: str | None = None  # partitions only: the run that keeps the others out, busy or not
    level: int | None = None  # the priority under which the ring has it, None while it is not ready

    @property
    def serial(self) -> bool:
        return self.key[2] is not None


class _Ring:
    """Ready lanes by priority, namespace and turn."""

    def __init__(self) -> None:
        self._levels: dict[int, OrderedDict[str, OrderedDict[LaneKey, None]]] = {}
        self._priorities: list[int] = []  # negated, so that the highest comes first

    def add(self, lane: LaneKey, level: int) -> None:
        if level not in self._levels:
            self._levels[level] = OrderedDict()
            insort(self._priorities, -level)
        self._levels[level].setdefault(lane[0], OrderedDict())[lane] = None

    def remove(self, lane: LaneKey, level: int) -> None:
        namespaces = self._levels[level]
        lanes = namespaces[lane[0]]
        del lanes[lane]
        if not lanes:
            del namespaces[lane[0]]
        if not namespaces:
            del self._levels[level]
            self._priorities.remove(-level)

    def turn(self) -> LaneKey | None:
        """Give the lane whose turn it is, and move it and its namespace to the end of theirs."""
        if not self._priorities:
            return None
        namespaces = self._levels[-self._priorities[0]]
        namespace, lanes = next(iter(namespaces.items()))
        lane = next(iter(lanes))
        namespaces.move_to_end(namespace)
        lanes.move_to_end(lane)
        return lane


class RunQueue:
    """Runs that wait, runs that are out with a worker, and the partitions they keep closed.

    A run is known from ``put`` or ``hold`` until ``forget``: meanwhile a second ``put`` of a waiting run is a duplicate
    (deduplication until terminal, Ocean defect D13), and its partition admits no other run (D1). A run that is put
    while it is out with a worker waits again once the worker has let go of it, so that no call for a turn is lost.
    """

    def __init__(self) -> None:
        self._lanes: dict[LaneKey, _Lane] = {}
        self._ring = _Ring()
        self._waiting: dict[str, QueuedRun] = {}
        self._entries: dict[str, _Entry] = {}  # of waiting runs; any other entry of a heap is stale, and skipped
        self._busy: dict[str, QueuedRun] = {}
        self._again: dict[str, QueuedRun] = {}  # busy, and to wait again afterwards
        self._held: dict[str, QueuedRun] = {}  # neither waiting nor busy, yet holding a partition

    def __len__(self) -> int:
        """Give how many runs wait."""
        return len(self._waiting)

    @property
    def busy(self) -> int:
        """How many runs are out with a worker."""
        return len(self._busy)

    @property
    def lanes(self) -> int:
        """How many lanes exist; idle ones are removed."""
        return len(self._lanes)

    def put(self, run: QueuedRun) -> bool:
        """Let ``run`` wait for its turn; False when it does already."""
        if run.id in self._waiting or run.id in self._again:
            return False
        if run.id in self._busy:
            self._again[run.id] = run
            return True
        self._held.pop(run.id, None)
        self._waiting[run.id] = run
        lane = self._lanes.setdefault(run.lane, _Lane(run.lane))
        # Inside a partition only the order counts; across a global lane the priority comes first.
        entry = self._entries[run.id] = (0 if lane.serial else -run.priority, run.order, run.id)
        heappush(lane.heap, entry)
        lane.waiting += 1
        self._tidy(lane)
        self._place(lane)
        return True

    def hold(self, run: QueuedRun) -> None:
        """Let ``run`` wait no more, and close its partition to others while it is paused, parked or in backoff."""
        self._again.pop(run.id, None)
        self._entries.pop(run.id, None)
        waiting = self._waiting.pop(run.id, None)
        if waiting is None and run.partition is None:
            return
        run = waiting or run
        lane = self._lanes.setdefault(run.lane, _Lane(run.lane))
        lane.waiting -= waiting is not None
        if lane.serial:
            lane.holder = lane.holder or run.id
            if run.id not in self._busy:
                self._held[run.id] = run
        self._place(lane)

    def take(self) -> QueuedRun | None:
        """Give the run whose turn it is, which is then busy; None where none may start."""
        key = self._ring.turn()
        if key is None:
            return None
        lane = self._lanes[key]
        run = self._waiting.pop(self._head(lane))
        entry = self._entries.pop(run.id)
        lane.waiting -= 1
        if lane.serial:
            lane.holder = run.id
        if lane.heap[0] is entry:
            heappop(lane.heap)
        self._busy[run.id] = run
        self._place(lane)
        return run

    def back(self, run_id: str) -> None:
        """Take note that a worker has let go of a run: it waits again where that was asked, or keeps its partition."""
        run = self._busy.pop(run_id, None)
        again = self._again.pop(run_id, None)
        if again is not None:
            self.put(again)
        elif run is not None and (lane := self._lanes.get(run.lane)) is not None and lane.holder == run_id:
            self._held[run_id] = run

    def forget(self, run_id: str) -> None:
        """Drop a run for good, or until it is put again: its partition opens; a turn under way stays known as such."""
        self._again.pop(run_id, None)
        self._entries.pop(run_id, None)
        run = self._waiting.pop(run_id, None)
        waited = run is not None
        run = run or self._busy.get(run_id) or self._held.pop(run_id, None)
        if run is None:
            return
        lane = self._lanes.get(run.lane)
        if lane is None:
            return
        lane.waiting -= waited  # its heap entry is skipped when it comes up
        if lane.holder == run_id:
            lane.holder = None
        self._place(lane)

    def _head(self, lane: _Lane) -> str:
        """Give the run of ``lane`` that may go next: its holder where it has one."""
        if lane.holder is not None:
            return lane.holder
        while not self._stands(lane.heap[0]):
            heappop(lane.heap)
        return lane.heap[0][2]

    def _stands(self, entry: _Entry) -> bool:
        return self._entries.get(entry[2]) is entry

    def _tidy(self, lane: _Lane) -> None:
        """Take stale entries away before they outnumber the runs that wait."""
        if len(lane.heap) > 2 * lane.waiting + _STALE_ENTRIES_KEPT:
            lane.heap = [entry for entry in lane.heap if self._stands(entry)]
            heapify(lane.heap)

    def _place(self, lane: _Lane) -> None:
        """Put ``lane`` where it belongs in the ring; remove it when nothing is left of it."""
        ready = lane.waiting > 0 and (lane.holder is None or lane.holder in self._waiting)
        level = self._waiting[self._head(lane)].priority if ready else None
        if level != lane.level:
            if lane.level is not None:
                self._ring.remove(lane.key, lane.level)
            if level is not None:
                self._ring.add(lane.key, level)
            lane.level = level
        if not lane.waiting and lane.holder is None:
            self._lanes.pop(lane.key, None)
