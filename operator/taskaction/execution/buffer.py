"""Who may wait in the queue, and who waits outside of it until there is room: high watermark, shares and full queues.

The bounds are hard: they are checked for each run, at once (Ocean defect D14 is a bound that one batch oversteps).
"""

from collections import OrderedDict
from heapq import heapify, heappop, heappush

from taskaction.execution.queue import RunQueue
from taskaction.execution.runs import Order, QueuedRun

_STALE_ENTRIES_KEPT = 16


class Buffer:
    """Bounds the runs of a queue that wait for their first attempt; the others keep their order outside.

    Attributes:
        high_watermark: how many runs may wait in all, None for any number.
        share_pct: how much of that one source may take, in percent.
    """

    def __init__(self, queue: RunQueue, *, high_watermark: int | None = None, share_pct: int | None = None) -> None:
        self._queue = queue
        self.high_watermark = high_watermark
        self._share = None if high_watermark is None or share_pct is None else max(1, high_watermark * share_pct // 100)
        self._bounds: dict[str, int] = {}
        self._heaps: OrderedDict[str, list[tuple[Order, str]]] = OrderedDict()
        self._outside: dict[str, QueuedRun] = {}

    def __len__(self) -> int:
        """Give how many runs wait outside."""
        return len(self._outside)

    def __contains__(self, run_id: str) -> bool:
        """Say whether a run waits outside."""
        return run_id in self._outside

    def bound(self, source: str, queued: int | None) -> None:
        """Let at most ``queued`` runs of a source wait, None for any number."""
        if queued is None:
            self._bounds.pop(source, None)
        else:
            self._bounds[source] = queued

    def has_room(self, run: QueuedRun, *, first: bool) -> bool:
        """Say whether ``run`` may wait in the queue; one that has started before was let in before.

        ``first`` while everything that exists is still being taken in: who comes first by order is not known yet.
        """
        if run.under_way or not run.order[0]:
            return True
        if first:
            return self.high_watermark is None and run.source not in self._bounds
        return run.source not in self._heaps and self._room(run.source)

    def put(self, run: QueuedRun) -> None:
        """Let ``run`` wait outside."""
        self._outside[run.id] = run
        heap = self._heaps.setdefault(run.source, [])
        heappush(heap, (run.order, run.id))
        if len(heap) > 2 * len(self._outside) + _STALE_ENTRIES_KEPT:
            self._heaps[run.source] = [entry for entry in heap if entry[1] in self._outside]
            heapify(self._heaps[run.source])

    def forget(self, run_id: str) -> None:
        """Drop a run that waits no more."""
        run = self._outside.pop(run_id, None)
        if run is not None:
            self._first(run.source)

    def next(self) -> QueuedRun | None:
        """Take the next run in for which there is room, the sources in turn; None where there is none."""
        for source in list(self._heaps):
            if self._full():
                return None
            if self._room(source):
                _, run_id = heappop(self._heaps[source])
                run = self._outside.pop(run_id)
                if self._first(source) is not None:
                    self._heaps.move_to_end(source)
                return run
        return None

    def _first(self, source: str) -> str | None:
        """Give the first of a source that waits outside; forget the source where there is none."""
        heap = self._heaps[source]
        while heap and heap[0][1] not in self._outside:
            heappop(heap)
        if heap:
            return heap[0][1]
        del self._heaps[source]
        return None

    def _full(self) -> bool:
        return self.high_watermark is not None and self._queue.pending >= self.high_watermark

    def _room(self, source: str) -> bool:
        waiting = self._queue.queued(source)
        bounds = (self._bounds.get(source), self._share)
        return not self._full() and all(bound is None or waiting < bound for bound in bounds)
