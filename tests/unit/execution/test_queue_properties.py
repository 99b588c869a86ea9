"""The queue against a naive model: whatever comes and goes, nothing is lost, given twice, overtaken or starved."""

from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from taskaction.execution.queue import LaneKey, QueuedRun, RunQueue

NAMES = [f"r{number}" for number in range(8)]
LANES = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y"]), st.sampled_from([None, None, "k", "l"]))


@dataclass
class Naive:
    """What the queue promises, found out by going through everything each time."""

    waiting: dict[str, QueuedRun] = field(default_factory=dict)
    busy: dict[str, QueuedRun] = field(default_factory=dict)
    again: dict[str, QueuedRun] = field(default_factory=dict)
    holders: dict[LaneKey, str] = field(default_factory=dict)

    def candidates(self) -> dict[LaneKey, QueuedRun]:
        """Give the run of each lane that may go next."""
        lanes = defaultdict(list)
        for run in self.waiting.values():
            lanes[run.lane].append(run)
        heads = {}
        for lane, runs in lanes.items():
            holder = self.holders.get(lane)
            if holder is None:
                heads[lane] = min(runs, key=_rank)
            elif holder in self.waiting and self.waiting[holder].lane == lane:
                heads[lane] = self.waiting[holder]
        return heads

    def open(self, run_id: str) -> None:
        self.holders = {lane: holder for lane, holder in self.holders.items() if holder != run_id}


def _rank(run: QueuedRun) -> tuple[object, ...]:
    return (0 if run.partition is not None else -run.priority, run.order, run.id)


class QueueMachine(RuleBasedStateMachine):
    """Workers, lookers and the watch, in any order that the engine may bring about."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = RunQueue()
        self.naive = Naive()
        self.places: dict[str, LaneKey] = {}

    @rule(name=st.sampled_from(NAMES), lane=LANES, priority=st.integers(-1, 1), created=st.integers(0, 3))
    def put(self, name, lane, priority, created) -> None:
        naive = self.naive
        run = self._run(name, lane, priority, created)
        if name in naive.waiting or name in naive.again:
            assert not self.queue.put(run)
            return
        assert self.queue.put(run)
        (naive.again if name in naive.busy else naive.waiting)[name] = run

    @rule(name=st.sampled_from(NAMES), lane=LANES)
    def hold(self, name, lane) -> None:
        run = self._run(name, lane, 0, 0)
        self.queue.hold(run)
        self.naive.waiting.pop(name, None)
        self.naive.again.pop(name, None)
        if run.partition is not None:
            self.naive.holders.setdefault(run.lane, name)

    @rule()
    def take(self) -> None:
        naive = self.naive
        heads = naive.candidates()
        run = self.queue.take()
        if run is None:
            assert not heads, "a free worker goes idle beside work that may start"
            return
        assert run.id not in naive.busy, "given twice"
        assert run == heads.get(run.lane), "overtaken within its lane, or its partition is closed"
        assert run.priority == max(head.priority for head in heads.values()), "a higher priority waits"
        naive.busy[run.id] = naive.waiting.pop(run.id)
        if run.partition is not None:
            naive.holders[run.lane] = run.id

    @precondition(lambda self: self.naive.busy)
    @rule(data=st.data())
    def back(self, data) -> None:
        name = data.draw(st.sampled_from(sorted(self.naive.busy)))
        self.queue.back(name)
        del self.naive.busy[name]
        if name in self.naive.again:
            self.naive.waiting[name] = self.naive.again.pop(name)

    @rule(name=st.sampled_from(NAMES))
    def forget(self, name) -> None:
        self.queue.forget(name)
        self.naive.waiting.pop(name, None)
        self.naive.again.pop(name, None)
        self.naive.open(name)
        if name not in self.naive.busy:
            self.places.pop(name, None)  # it may come back elsewhere

    @invariant()
    def counts_agree(self) -> None:
        assert len(self.queue) == len(self.naive.waiting)
        assert self.queue.busy == len(self.naive.busy)

    @invariant()
    def only_lanes_with_work_or_a_holder_exist(self) -> None:
        assert self.queue.lanes == len({run.lane for run in self.naive.waiting.values()} | set(self.naive.holders))

    def teardown(self) -> None:
        """Let everything end: each run comes up, and nothing is left."""
        for name in sorted(self.naive.busy):
            self.back_of(name)
        while self.naive.candidates():
            before = len(self.naive.waiting)
            self.take()
            assert len(self.naive.waiting) < before
            for name in sorted(self.naive.busy):
                self.forget(name)
                self.back_of(name)
        for name in NAMES:
            self.forget(name)
        assert (len(self.queue), self.queue.busy, self.queue.lanes) == (0, 0, 0)
        kept = [self.queue._waiting, self.queue._busy, self.queue._again, self.queue._held, self.queue._entries]
        assert not any(kept)
        assert not self.queue._ring._levels
        assert not self.queue._ring._priorities

    def back_of(self, name: str) -> None:
        self.queue.back(name)
        del self.naive.busy[name]
        if name in self.naive.again:
            self.naive.waiting[name] = self.naive.again.pop(name)

    def _run(self, name: str, lane: LaneKey, priority: int, created: int) -> QueuedRun:
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
TestQueue.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@settings(max_examples=100, deadline=None)
@given(waiting=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=40))
def test_a_namespace_is_served_once_a_round_and_a_lane_once_a_round_of_its_namespace(waiting) -> None:
    queue = RunQueue()
    for number, (namespace, source) in enumerate(waiting):
        queue.put(
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
