"""Backlog: runs that wait outside of a full queue; high watermark, shares per source and queue limits.

The limits are hard: they are checked for each run. In Ocean, one batch can exceed the limit
(docs/porting-from-ocean.md#d14).
"""

from collections import OrderedDict
from heapq import heapify, heappop, heappush

from taskaction.execution.queue import RunQueue
from taskaction.execution.runs import Order, QueuedRun

_STALE_ENTRIES_KEPT = 16


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
        self._heaps: OrderedDict[str, list[tuple[Order, str]]] = OrderedDict()
        self._outside: dict[str, QueuedRun] = {}

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
        """Whether the queue has room for ``run``; a run that was started before was admitted before.

        ``first`` is true during the initial listing, when the order of the runs is not known yet.
        """
        if run.under_way or not run.order[0]:
            return True
        if first:
            return self.high_watermark is None and run.source not in self._bounds
        return run.source not in self._heaps and self._has_room_for(run.source)

    def add(self, run: QueuedRun) -> None:
        """Add ``run`` to the backlog."""
        self._outside[run.id] = run
        heap = self._heaps.setdefault(run.source, [])
        heappush(heap, (run.order, run.id))
        if len(heap) > 2 * len(self._outside) + _STALE_ENTRIES_KEPT:
            self._heaps[run.source] = [entry for entry in heap if entry[1] in self._outside]
            heapify(self._heaps[run.source])

    def forget(self, run_id: str) -> None:
        """Remove a run from the backlog."""
        run = self._outside.pop(run_id, None)
        if run is not None:
            self._first_run_id(run.source)

    def take_next(self) -> QueuedRun | None:
        """Remove and return the next run for which there is room, the sources in turn; None if there is none."""
        for source in list(self._heaps):
            if self._is_full():
                return None
            if self._has_room_for(source):
                _, run_id = heappop(self._heaps[source])
                run = self._outside.pop(run_id)
                if self._first_run_id(source) is not None:
                    self._heaps.move_to_end(source)
                return run
        return None

    def _first_run_id(self, source: str) -> str | None:
        """Return the first run of a source in the backlog; remove the source if it has none."""
        heap = self._heaps[source]
        while heap and heap[0][1] not in self._outside:
            heappop(heap)
        if heap:
            return heap[0][1]
        del self._heaps[source]
        return None

    def _is_full(self) -> bool:
        return self.high_watermark is not None and self._queue.pending_count >= self.high_watermark

    def _has_room_for(self, source: str) -> bool:
        waiting = self._queue.queued_count(source)
        bounds = (self._bounds.get(source), self._share)
        return not self._is_full() and all(bound is None or waiting < bound for bound in bounds)
