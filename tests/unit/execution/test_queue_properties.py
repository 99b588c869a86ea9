"""The queue against a naive model: whatever comes and goes, nothing is lost, given twice, overtaken or starved."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from taskaction.execution.limits import UNLIMITED, SourceLimits
from taskaction.execution.queue import RunQueue
from taskaction.execution.runs import LaneKey, QueuedRun
from taskaction.execution.shares import ShareSettings

NAMES = [f"r{number}" for number in range(8)]
SOURCES = ["x", "y"]
LANES = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(SOURCES), st.sampled_from([None, None, "k", "l"]))
LIMITS = st.builds(SourceLimits, concurrent=st.sampled_from([None, 1, 2]), per_partition=st.sampled_from([1, 1, 2]))


@dataclass
class Naive:
    """What the queue promises, found out by going through everything each time."""

    waiting: dict[str, QueuedRun] = field(default_factory=dict)
    expected: dict[str, QueuedRun] = field(default_factory=dict)
    busy: dict[str, QueuedRun] = field(default_factory=dict)
    then: dict[str, str] = field(default_factory=dict)
    holders: dict[LaneKey, set[str]] = field(default_factory=lambda: defaultdict(set))
    seated: dict[str, QueuedRun] = field(default_factory=dict)
    limits: dict[str, SourceLimits] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)

    def candidates(self) -> list[QueuedRun]:
        """Give every run that may go next in its lane."""
        lanes = defaultdict(list)
        for run in [*self.waiting.values(), *self.expected.values()]:
            lanes[_lane(run)].append(run)
        heads = [min(runs, key=self._rank) for runs in lanes.values()]
        ready = [head for head in heads if head.id not in self.expected]
        return [head for head in ready if head.under_way or self._may_start(head)]

    def _may_start(self, run: QueuedRun) -> bool:
        limits = self.limits.get(run.source, UNLIMITED)
        at_work = [one for one in self.seated.values() if one.source == run.source]
        if run.source in self.closed or (limits.concurrent is not None and len(at_work) >= limits.concurrent):
            return False
        if run.partition is None:
            return True
        holders = self.holders[run.home]
        in_partition = sum(one.home == run.home for one in at_work)
        return in_partition < limits.per_partition and (run.id in holders or len(holders) < limits.per_partition)

    def _rank(self, run: QueuedRun) -> tuple[object, ...]:
        if run.partition is not None and not run.under_way:
            return (run.id not in self.holders[run.home], run.order, run.id)
        return (-run.priority, run.order, run.id)

    def keep(self, run: QueuedRun) -> None:
        self.seated[run.id] = run
        self.close(run)

    def close(self, run: QueuedRun) -> None:
        if run.partition is not None:
            self.holders[run.home].add(run.id)

    def drop(self, name: str) -> None:
        for known in (self.waiting, self.expected, self.then):
            known.pop(name, None)

    def free(self, name: str) -> None:
        self.seated.pop(name, None)
        for holders in self.holders.values():
            holders.discard(name)


def _lane(run: QueuedRun) -> LaneKey:
    return LaneKey(run.namespace, run.source, None, going=True) if run.under_way else run.home


class QueueMachine(RuleBasedStateMachine):
    """Workers, lookers, limits and the watch, in any order that the engine may bring about."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = RunQueue(ShareSettings())
        self.naive = Naive()
        self.places: dict[str, tuple[str, str, str | None]] = {}

    @rule(
        name=st.sampled_from(NAMES),
        lane=LANES,
        priority=st.integers(-1, 1),
        created=st.integers(0, 3),
        under_way=st.booleans(),
    )
    def put(self, name, lane, priority, created, under_way) -> None:
        naive = self.naive
        run = replace(self._run(name, lane, priority, created), under_way=under_way)
        if name in naive.waiting or naive.then.get(name) == "queue":
            assert not self.queue.enqueue(run)
            return
        assert self.queue.enqueue(run)
        naive.expected.pop(name, None)
        if name in naive.busy:
            naive.busy[name] = run
            naive.then[name] = "queue"
        else:
            self._waits(run)

    @rule(name=st.sampled_from(NAMES), lane=LANES, created=st.integers(0, 3), under_way=st.booleans())
    def expect(self, name, lane, created, under_way) -> None:
        run = replace(self._run(name, lane, 0, created), under_way=under_way)
        self.queue.expect(run)
        if name in self.naive.busy:
            self.naive.then[name] = "expect"
        else:
            self._expects(run)

    def _expects(self, run: QueuedRun) -> None:
        self.naive.drop(run.id)
        self.naive.free(run.id)
        if run.under_way:
            self.naive.keep(run)
        elif run.partition is not None:
            self.naive.expected[run.id] = run

    def _waits(self, run: QueuedRun) -> None:
        self.naive.waiting[run.id] = run
        if run.under_way:
            self.naive.keep(run)
        else:
            self.naive.seated.pop(run.id, None)

    @rule(name=st.sampled_from(NAMES), lane=LANES, under_way=st.booleans())
    def hold(self, name, lane, under_way) -> None:
        naive = self.naive
        run = replace(self._run(name, lane, 0, 0), under_way=under_way)
        self.queue.hold(run)
        naive.drop(name)
        if name in naive.busy:
            naive.busy[name] = run
            naive.then[name] = "rest"
        self._settle(run)

    def _settle(self, run: QueuedRun) -> None:
        naive = self.naive
        if run.under_way:
            naive.keep(run)
        else:
            naive.close(run)
            if run.id not in naive.busy:
                naive.seated.pop(run.id, None)

    @rule()
    def take(self) -> None:
        naive = self.naive
        heads = naive.candidates()
        run = self.queue.take()
        if run is None:
            assert not heads, "a free worker goes idle beside work that may start"
            return
        assert run.id not in naive.busy, "given twice"
        assert run in heads, "overtaken within its lane, or something is to keep it from starting"
        if not naive.closed and all(limits.concurrent is None for limits in naive.limits.values()):
            # A source that may start only some offers a part of what waits for it.
            mine = [head.priority for head in heads if head.namespace == run.namespace]
            assert run.priority == max(mine), "a higher priority of the same namespace waits"
            loads = Counter(one.namespace for one in naive.busy.values())
            least = min(loads[head.namespace] for head in heads)
            assert loads[run.namespace] == least, "a namespace with fewer workers waits"
        naive.busy[run.id] = naive.waiting.pop(run.id)
        naive.keep(run)

    @precondition(lambda self: self.naive.busy)
    @rule(data=st.data())
    def release_worker(self, data) -> None:
        self.back_of(data.draw(st.sampled_from(sorted(self.naive.busy))))

    @rule(name=st.sampled_from(NAMES))
    def forget(self, name) -> None:
        self.queue.forget(name)
        self.naive.drop(name)
        self.naive.free(name)
        if name in self.naive.busy:
            self.naive.then[name] = "forget"
        else:
            self.places.pop(name, None)  # it may come back elsewhere

    @rule(source=st.sampled_from(SOURCES), limits=LIMITS)
    def limit(self, source, limits) -> None:
        self.queue.set_limits(source, limits)
        self.naive.limits[source] = limits

    @rule(source=st.sampled_from(SOURCES), closed=st.booleans())
    def close_or_open(self, source, closed) -> None:
        if closed:
            self.queue.close_source(source)
            self.naive.closed.add(source)
        else:
            self.queue.open_source(source)
            self.naive.closed.discard(source)

    @invariant()
    def counts_agree(self) -> None:
        naive = self.naive
        assert len(self.queue) == len(naive.waiting)
        assert self.queue.busy_count == len(naive.busy)
        pending = Counter(run.source for run in naive.waiting.values() if not run.under_way)
        running = Counter(run.source for run in naive.seated.values())
        assert len(self.queue.pending) == pending.total()
        for source in SOURCES:
            assert self.queue.queued_count(source) == pending[source]
            assert self.queue.running_count(source) == running[source]

    @invariant()
    def only_lanes_with_work_or_a_holder_exist(self) -> None:
        held = {lane for lane, holders in self.naive.holders.items() if holders}
        runs = [*self.naive.waiting.values(), *self.naive.expected.values()]
        assert self.queue.lane_count == len({_lane(run) for run in runs} | held)

    def teardown(self) -> None:
        """Let everything end: each run comes up, and nothing is left."""
        for source in SOURCES:
            self.close_or_open(source, closed=False)
            self.limit(source, UNLIMITED)
        for name in sorted(self.naive.busy):
            self.back_of(name)
        for name, run in sorted(self.naive.expected.items()):
            assert self.queue.enqueue(run)
            del self.naive.expected[name]
            self._waits(run)
        while self.naive.candidates():
            before = len(self.naive.waiting)
            self.take()
            assert len(self.naive.waiting) < before
            for name in sorted(self.naive.busy):
                self.forget(name)
                self.back_of(name)
        for name in NAMES:
            self.forget(name)
        assert (len(self.queue), self.queue.busy_count, self.queue.lane_count) == (0, 0, 0)
        assert not any([self.queue._known, self.queue._sources])
        ring = self.queue._ring
        assert not any([ring._tiers, ring._order, ring._spots, ring._gates, len(self.queue._shares)])

    def back_of(self, name: str) -> None:
        naive = self.naive
        self.queue.release_worker(name)
        run, then = naive.busy.pop(name), naive.then.pop(name, "expect")
        if then == "queue":
            self._waits(run)
        elif then == "expect":
            self._expects(run)
        elif then == "rest":
            self._settle(run)

    def _run(self, name: str, lane: tuple[str, str, str | None], priority: int, created: int) -> QueuedRun:
        """Give a run that keeps its lane as long as it is known, as an action does."""
        namespace, source, partition = self.places.setdefault(name, lane)
        return QueuedRun(
            id=name,
            namespace=namespace,
            source=source,
            partition=partition,
            priority=priority,
            order=(1, float(created), 0, name),
        )


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)


@settings(max_examples=100, deadline=None)
@given(waiting=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=40))
def test_a_namespace_is_served_once_a_round_and_a_source_once_a_round_of_its_namespace(waiting) -> None:
    queue = RunQueue(ShareSettings())
    for number, (namespace, source) in enumerate(waiting):
        queue.enqueue(
            QueuedRun(id=str(number), namespace=namespace, source=source, order=(1, float(number), 0, str(number)))
        )
    left = [QueuedRun(id=str(number), namespace=pair[0], source=pair[1]) for number, pair in enumerate(waiting)]
    skipped: dict[tuple[str, ...], int] = defaultdict(int)

    while left:
        run = queue.take()
        assert run is not None
        left = [one for one in left if one.id != run.id]
        for namespace in {one.namespace for one in left} - {run.namespace}:
            skipped[(namespace,)] += 1
        for one in {(one.namespace, one.source) for one in left if one.namespace == run.namespace}:
            skipped[one] += one != (run.namespace, run.source)
        skipped[(run.namespace,)] = skipped[run.namespace, run.source] = 0
        assert max(skipped.values()) <= 2, "of three, nobody waits for more than the two others"
