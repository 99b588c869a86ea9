"""Run queue: lanes, partitions and limits of sources; without tasks or clock.

A lane is the global queue of a source in a namespace, or one of its partitions (``<source>:<key>``). Runs with a
running attempt that must be polled wait in a lane of their own, which no limit closes.

The order of a partition is decided here and nowhere else: a run enters its lane by ``expect`` as soon as it is heard
of, and leaves it by ``forget`` when it ends. While the first one may not start yet, those behind it wait.
"""

from collections.abc import Hashable, Iterator
from heapq import heapify, heappop, heappush

from taskaction.execution.lanes import AfterTurn, Entry, Lane, PendingRuns, RunEntry, SourceState
from taskaction.execution.limits import SourceLimits
from taskaction.execution.ring import Place, Ring
from taskaction.execution.runs import LaneKey, QueuedRun
from taskaction.execution.shares import Shares, ShareSettings

_STALE_ENTRIES_KEPT = 16


class RunQueue:
    """Queue of waiting and running runs, with their partitions and limits.

    A run is known from ``expect``, ``enqueue`` or ``hold`` until ``forget``. Meanwhile, a second ``enqueue`` is a
    duplicate (docs/porting-from-ocean.md#d13), and its partition admits no other run (docs/porting-from-ocean.md#d1). A
    run that is enqueued while a worker has it is queued again when the worker returns it, so that no request is lost.

    Attributes:
        pending: the waiting runs whose attempt has not started.
    """

    def __init__(self, shares: ShareSettings) -> None:
        """Create a queue; ``shares`` divides the workers between namespaces."""
        self._settings = shares
        self._shares = Shares(shares)
        self._lanes: dict[LaneKey, Lane] = {}
        self._sources: dict[str, SourceState] = {}
        self._known: dict[str, RunEntry] = {}
        self._ring = Ring(self._shares)
        self.pending = PendingRuns()
        self._waiting = self._busy = 0

    def __len__(self) -> int:
        """Return the number of waiting runs."""
        return self._waiting

    @property
    def busy_count(self) -> int:
        """Number of runs that a worker has."""
        return self._busy

    @property
    def lane_count(self) -> int:
        """Number of lanes; idle lanes are removed."""
        return len(self._lanes)

    def has_run(self, run_id: str) -> bool:
        """Whether a run waits, is busy, or occupies a partition; a run that is only expected does not."""
        known = self._known.get(run_id)
        return known is not None and not known.is_expected

    def is_awaited(self, run: QueuedRun) -> bool:
        """Whether runs wait in the queue that may not start before ``run``."""
        lane = self._lanes.get(run.home) if run.partition is not None else None
        return lane is not None and lane.newest is not None and run.order < lane.newest

    def waiting_runs(self, source: str) -> Iterator[str]:
        """Return the runs of a source that wait for their attempt, in the order of their arrival."""
        known = self._sources.get(source)
        return iter(known.waiting) if known is not None else iter(())

    def queued_count(self, source: str) -> int:
        """Return the number of runs of a source that wait for their attempt."""
        known = self._sources.get(source)
        return len(known.waiting) if known is not None else 0

    def running_count(self, source: str) -> int:
        """Return the number of runs of a source that a worker has or whose attempt is running."""
        known = self._sources.get(source)
        return known.seats if known is not None else 0

    # -- limits -------------------------------------------------------------------------------------------------------

    def set_limits(self, source: str, limits: SourceLimits) -> None:
        """Set the limits of a source; running attempts are not affected."""
        known = self._source(source)
        known.limits = limits
        for lane in [lane for key, lane in self._lanes.items() if key.source == source]:
            self._place(lane)
        self._regulate(known)
        self._tidy(source)

    def close_source(self, source: str) -> None:
        """Start no more runs of a source until it is opened; running attempts continue."""
        known = self._source(source)
        known.closed = True
        self._regulate(known)

    def open_source(self, source: str) -> None:
        """Allow runs of a source to start again."""
        known = self._source(source)
        known.closed = False
        self._regulate(known)
        self._tidy(source)

    # -- runs ---------------------------------------------------------------------------------------------------------

    def expect(self, run: QueuedRun) -> bool:
        """Let ``run`` wait in its place until it may start; it gives back its seat and its partition.

        A run that has started before occupies its partition at once. Return whether others may start because of it.
        """
        known = self._known.get(run.id)
        if known is None:
            if run.partition is not None or run.under_way:
                known = self._known[run.id] = RunEntry(run)
                self._rest_or_line_up(known)
            return False
        if known.busy:
            known.then = AfterTurn.EXPECT
            return False
        if known.run == run and (known.is_expected or (known.entry is None and run.has_started)):
            return False
        self._leave_lane(known)
        self._free(known)
        known.run = run
        self._rest_or_line_up(known)
        self._tidy(run.source)
        return True

    def enqueue(self, run: QueuedRun) -> bool:
        """Queue ``run``; return False if it is already queued."""
        known = self._known.get(run.id)
        if known is None:
            known = self._known[run.id] = RunEntry(run)
        elif known.ready or (known.busy and known.then is AfterTurn.QUEUE):
            return False
        known.run = run
        if known.busy:
            known.then = AfterTurn.QUEUE
        else:
            self._wait(known)
        return True

    def hold(self, run: QueuedRun) -> None:
        """Remove ``run`` from its lane; it keeps its partition, and its seat while an attempt is running."""
        known = self._known.get(run.id)
        if known is None:
            known = self._known[run.id] = RunEntry(run)
        known.then = AfterTurn.REST
        self._leave_lane(known)
        known.run = run
        self._settle(known)
        self._tidy(run.source)

    def take(self) -> QueuedRun | None:
        """Return the next run, which is then busy; None if no run may start."""
        return self._take(self._ring.next_lane())

    def has_owed_run(self, workers: int) -> bool:
        """Whether a run may start of a namespace that has less than its share of ``workers``."""
        return self._ring.has_lane(lambda namespace: self._shares.may_have_more(namespace, workers))

    def take_within_share(self, workers: int) -> QueuedRun | None:
        """Return the next run of a namespace that has less than its share of ``workers``; None if there is none."""
        return self._take(self._ring.next_lane(lambda namespace: self._shares.may_have_more(namespace, workers)))

    def exceeds_share(self, run: QueuedRun, workers: int) -> bool:
        """Whether the namespace of a busy run has more than its share of ``workers``."""
        return self._shares.has_too_many(run.share, workers)

    def _take(self, key: Hashable | None) -> QueuedRun | None:
        if key is None:
            return None
        assert isinstance(key, LaneKey)  # noqa: S101 - the ring returns keys that this class added
        lane = self._lanes[key]
        known = self._known[self._head(lane)[5]]
        self._leave_lane(known)
        known.busy, known.share, known.then = True, known.run.share, AfterTurn.EXPECT
        self._busy += 1
        self._shares.start(known.share)
        self._ring.on_load_changed(known.share)
        self._keep(known)
        return known.run

    def release_worker(self, run_id: str) -> None:
        """Return a run from its worker: it is queued again if requested, otherwise it keeps its place or partition."""
        known = self._known.get(run_id)
        if known is None or not known.busy:
            return
        known.busy = False
        self._busy -= 1
        self._shares.finish(known.share)
        self._ring.on_load_changed(known.share)
        match known.then:
            case AfterTurn.REST:
                self._settle(known)
            case AfterTurn.QUEUE:
                self._wait(known)
            case AfterTurn.EXPECT:
                self._free(known)
                self._rest_or_line_up(known)
            case AfterTurn.FORGET:
                del self._known[run_id]
        self._tidy(known.run.source)

    def forget(self, run_id: str) -> None:
        """Remove a run and free its partition; a run that a worker has is tracked until the worker returns it."""
        known = self._known.get(run_id)
        if known is None:
            return
        self._leave_lane(known)
        self._free(known)
        if known.busy:
            known.then = AfterTurn.FORGET
        else:
            del self._known[run_id]
        self._tidy(known.run.source)

    # -- waiting ------------------------------------------------------------------------------------------------------

    def _wait(self, known: RunEntry) -> None:
        run = known.run
        if run.under_way:
            self._keep(known)
            lane = self._line_up(known, LaneKey(run.namespace, run.source, None, going=True))
        else:
            self._unseat(known)
            lane = self._line_up(known, run.home)
            self._source(run.source).waiting[run.id] = None
            self.pending.add(run.share)
        known.ready = True
        lane.add_ready(run.order)
        self._waiting += 1
        self._place(lane)

    def _rest_or_line_up(self, known: RunEntry) -> None:
        """Put a run that may not start where it belongs: it occupies its partition, or waits there for its turn."""
        run = known.run
        if run.has_started or run.under_way:
            self._settle(known)
        elif run.partition is not None:
            self._place(self._line_up(known, run.home))
        else:
            del self._known[run.id]

    def _line_up(self, known: RunEntry, key: LaneKey) -> Lane:
        """Put a run into a lane, unless it has that place already; return the lane."""
        run, rank = known.run, -known.run.priority
        if key.partition is not None:  # only the order counts, behind runs that occupy the partition
            rank = 0 if known.holds else 1
        entry = (rank, *run.order, run.id)
        if known.lane is not None and known.lane.key == key and known.entry == entry:
            return known.lane
        self._leave_lane(known)
        lane = self._lane(key)
        known.lane, known.entry = lane, entry
        lane.size += 1
        heappush(lane.heap, entry)
        if len(lane.heap) > 2 * lane.size + _STALE_ENTRIES_KEPT:
            lane.heap = [entry for entry in lane.heap if self._is_current(entry)]
            heapify(lane.heap)
        return lane

    def _leave_lane(self, known: RunEntry) -> None:
        lane, entry = known.lane, known.entry
        if lane is None or entry is None:
            return
        known.lane = known.entry = None
        lane.size -= 1
        if lane.heap[0] is entry:
            heappop(lane.heap)  # any other entry is skipped when it comes up
        if known.ready:
            known.ready = False
            lane.remove_ready()
            self._waiting -= 1
            if not lane.key.going:
                del self._sources[known.run.source].waiting[known.run.id]
                self.pending.remove(known.run.share)
        self._place(lane)

    def _head(self, lane: Lane) -> Entry:
        while not self._is_current(lane.heap[0]):
            heappop(lane.heap)
        return lane.heap[0]

    def _is_current(self, entry: Entry) -> bool:
        known = self._known.get(entry[5])
        return known is not None and known.entry is entry

    # -- seats and partitions -----------------------------------------------------------------------------------------

    def _settle(self, known: RunEntry) -> None:
        """Update the seat and partition of a run that does not wait."""
        run = known.run
        if run.under_way:
            self._keep(known)
            return
        if not known.busy:
            self._unseat(known)
        if run.partition is not None:
            known.holds = True
            lane = self._lane(run.home)
            lane.hold(run.id)
            self._place(lane)
        elif not known.busy:
            del self._known[run.id]

    def _keep(self, known: RunEntry) -> None:
        """Seat a run, and occupy its partition."""
        run = known.run
        lane = self._lane(run.home) if run.partition is not None else None
        if not known.seated:
            known.seated = True
            source = self._source(run.source)
            source.seats += 1
            self._regulate(source)
            if lane is not None:
                lane.seated += 1
        if lane is not None:
            known.holds = True
            lane.hold(run.id)
            self._place(lane)

    def _unseat(self, known: RunEntry) -> None:
        if not known.seated:
            return
        known.seated = False
        source = self._sources[known.run.source]
        source.seats -= 1
        if known.run.partition is not None:
            lane = self._lanes[known.run.home]
            lane.seated -= 1
            self._place(lane)
        self._regulate(source)

    def _free(self, known: RunEntry) -> None:
        self._unseat(known)
        if known.holds:
            known.holds = False
            lane = self._lanes[known.run.home]
            lane.release(known.run.id)
            self._place(lane)

    # -- lanes and sources --------------------------------------------------------------------------------------------

    def _lane(self, key: LaneKey) -> Lane:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        return lane

    def _source(self, name: str) -> SourceState:
        source = self._sources.get(name)
        if source is None:
            source = self._sources[name] = SourceState(name)
        return source

    def _tidy(self, name: str) -> None:
        source = self._sources.get(name)
        if source is not None and source.idle:
            del self._sources[name]

    def _regulate(self, source: SourceState) -> None:
        """Update the number of runs of a source that may start in the ring."""
        free = source.free
        if free == 0:
            self._ring.close(source.name)
        else:
            self._ring.open(source.name, free)

    def _place(self, lane: Lane) -> None:
        """Update the position of ``lane`` in the ring; remove a lane that is empty."""
        place = self._find_place(lane)
        if place != lane.place:
            if lane.place is not None:
                self._ring.remove(lane.key, lane.place)
            if place is not None:
                self._ring.add(lane.key, place)
            lane.place = place
        if not lane.size and not lane.held:
            self._lanes.pop(lane.key, None)

    def _find_place(self, lane: Lane) -> Place | None:
        """Return the place in the ring by the next run that may start, or None."""
        head = self._head(lane) if lane.ready else None
        if head is None or not self._known[head[5]].ready:
            return None
        if lane.key.partition is not None:
            source = self._sources.get(lane.key.source)
            room = source.limits.per_partition if source is not None else 1
            if lane.seated >= room or (head[0] and lane.held >= room):
                return None
        run = self._known[head[5]].run
        tier = self._settings.tier_of(run.share, run.priority)
        return Place(tier, run.share, run.priority, lane.key.source, gated=not lane.key.going)
