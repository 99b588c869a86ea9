"""Backlog: runs that wait outside of a full queue; high watermark, shares per source and queue limits.

The limits of sources are hard: they are checked for each run. In Ocean, one batch can exceed the limit
(docs/porting-from-ocean.md#d14). The high watermark is exceeded by at most one run of each namespace: a namespace of
which nothing is queued is admitted although others have filled the queue.
"""

from collections import OrderedDict
from heapq import heapify, heappop, heappush

from taskaction.execution.queue import RunQueue
from taskaction.execution.runs import Order, QueuedRun

_STALE_ENTRIES_KEPT = 16

_Group = tuple[str, str]
"""Namespace and source of runs that keep their order among each other."""


class Buffer:
    """Backlog of a queue: limits the queued runs that wait for their first attempt, and keeps the others in order.

    Attributes:
        high_watermark: maximum number of queued runs; None is unlimited.
    """

    def __init__(self, queue: RunQueue, *, high_watermark: int | None = None, share_pct: int | None = None) -> None:
        """Create a backlog; ``share_pct`` is the maximum share of the watermark for one source, in percent."""
        self._queue = queue
        self.high_watermark = high_watermark
        self._share = None if high_watermark is None or share_pct is None else max(1, high_watermark * share_pct // 100)
        self._bounds: dict[str, int] = {}
        self._heaps: OrderedDict[_Group, list[tuple[Order, str]]] = OrderedDict()
        self._outside: dict[str, QueuedRun] = {}
        self._owed: set[str] = set()  # namespaces that may have nothing queued although they have a backlog

    def __len__(self) -> int:
        """Return the number of runs in the backlog."""
        return len(self._outside)

    def __contains__(self, run_id: str) -> bool:
        """Whether a run is in the backlog."""
        return run_id in self._outside

    def set_bound(self, source: str, queued: int | None) -> None:
        """Set the maximum number of queued runs of a source; None is unlimited."""
        if queued is None:
            self._bounds.pop(source, None)
        else:
            self._bounds[source] = queued

    def has_room(self, run: QueuedRun, *, first: bool) -> bool:
        """Whether the queue has room for ``run``, or must have it: others wait behind it, or it was admitted before.

        ``first`` is true during the initial listing, when the order of the runs is not known yet.
        """
        if run.under_way or run.has_started or self._queue.is_awaited(run):
            return True
        if first:
            return self.high_watermark is None and run.source not in self._bounds
        owed = not self._is_full() or run.share not in self._queue.pending
        return owed and _group(run) not in self._heaps and self._is_within_bounds(run.source)

    def add(self, run: QueuedRun) -> None:
        """Add ``run`` to the backlog."""
        self._outside[run.id] = run
        heap = self._heaps.setdefault(_group(run), [])
        heappush(heap, (run.order, run.id))
        if len(heap) > 2 * len(self._outside) + _STALE_ENTRIES_KEPT:
            self._heaps[_group(run)] = [entry for entry in heap if entry[1] in self._outside]
            heapify(self._heaps[_group(run)])

    def forget(self, run_id: str) -> None:
        """Remove a run from the backlog."""
        run = self._outside.pop(run_id, None)
        if run is not None:
            self._first_run(_group(run))

    def take_next(self) -> QueuedRun | None:
        """Remove and return the next run for which there is room, the groups in turn; None if there is none."""
        self._owed |= self._queue.pending.take_drained()
        return self._take_owed() or self._take_in_turn()

    def _take_owed(self) -> QueuedRun | None:
        """Remove and return a run of a namespace of which nothing is queued any more, even if the queue is full."""
        if not self._owed:
            return None
        waiting = set()
        for group in list(self._heaps):
            run = self._first_run(group)
            if run is None or run.share not in self._owed:
                continue
            if run.share in self._queue.pending:
                self._owed.discard(run.share)
            elif self._is_within_bounds(run.source):
                self._owed.discard(run.share)
                self._remove(group, run)
                return run
            else:
                waiting.add(run.share)
        self._owed &= waiting  # the others have nothing in the backlog
        return None

    def _take_in_turn(self) -> QueuedRun | None:
        for group in list(self._heaps):
            if self._is_full():
                return None
            run = self._first_run(group)
            if run is not None and self._is_within_bounds(run.source):
                self._remove(group, run)
                return run
        return None

    def _remove(self, group: _Group, run: QueuedRun) -> None:
        heappop(self._heaps[group])
        del self._outside[run.id]
        if self._first_run(group) is not None:
            self._heaps.move_to_end(group)

    def _first_run(self, group: _Group) -> QueuedRun | None:
        """Return the first run of a group in the backlog; remove the group if it has none."""
        heap = self._heaps[group]
        while heap and heap[0][1] not in self._outside:
            heappop(heap)
        if heap:
            return self._outside[heap[0][1]]
        del self._heaps[group]
        return None

    def _is_full(self) -> bool:
        return self.high_watermark is not None and len(self._queue.pending) >= self.high_watermark

    def _is_within_bounds(self, source: str) -> bool:
        waiting = self._queue.queued_count(source)
        bounds = (self._bounds.get(source), self._share)
        return all(bound is None or waiting < bound for bound in bounds)


def _group(run: QueuedRun) -> _Group:
    return (run.namespace, run.source)
