"""Who waits in the queue and who outside: hard bounds, shares, and the order that outlives both."""

from hypothesis import given
from hypothesis import strategies as st

from support.stage import run
from taskaction.execution.buffer import Buffer
from taskaction.execution.queue import RunQueue
from taskaction.execution.runs import QueuedRun
from taskaction.execution.shares import ShareSettings


class Door:
    """A queue with its buffer, as the manager uses them."""

    def __init__(self, high_watermark: int | None = None, share_pct: int | None = None, **bounds: int) -> None:
        self.queue = RunQueue(ShareSettings())
        self.buffer = Buffer(self.queue, high_watermark=high_watermark, share_pct=share_pct)
        for source, bound in bounds.items():
            self.buffer.set_bound(source, bound)

    def come(self, *runs: QueuedRun) -> None:
        for one in runs:
            if self.buffer.has_room(one, first=False):
                self.queue.enqueue(one)
            else:
                self.buffer.add(one)

    def serve(self) -> str | None:
        one = self.queue.take()
        if one is None:
            return None
        self.queue.forget(one.id)
        self.queue.release_worker(one.id)
        while (guest := self.buffer.take_next()) is not None:
            self.queue.enqueue(guest)
        return one.id

    def serve_all(self) -> list[str]:
        served = []
        while (name := self.serve()) is not None:
            served.append(name)
        return served


def runs(names: str, source: str = "noop") -> list[QueuedRun]:
    return [run(name, source=source, order=(1, float(number), 0, name)) for number, name in enumerate(names)]


def test_no_more_than_the_high_watermark_waits_in_the_queue() -> None:
    door = Door(high_watermark=3)
    door.come(*runs("abcde"))

    assert (len(door.queue.pending), len(door.buffer)) == (3, 2)
    assert door.serve_all() == list("abcde")


def test_one_source_takes_no_more_than_its_share_however_many_come_at_once() -> None:
    door = Door(high_watermark=10, share_pct=30)
    door.come(*runs("abcdefghij"), run("x", source="other"))

    assert (door.queue.queued_count("noop"), door.queue.queued_count("other")) == (3, 1)


def test_a_full_queue_of_one_source_keeps_nobody_else_out() -> None:
    door = Door(noop=1)
    door.come(*runs("abc"), *runs("xyz", "other"))

    assert (door.queue.queued_count("noop"), door.queue.queued_count("other"), len(door.buffer)) == (1, 3, 2)


def test_a_queue_for_nobody_lets_nobody_wait() -> None:
    door = Door(noop=0)
    door.come(*runs("a"))

    assert (len(door.queue.pending), "a" in door.buffer) == (0, True)


def test_who_comes_later_does_not_get_in_before_those_who_wait_outside() -> None:
    door = Door(noop=2)
    door.come(*runs("abc"))
    door.queue.forget("a")
    door.come(run("late", order=(1, 9.0, 0, "late")))

    assert "late" in door.buffer
    assert door.serve_all() == ["b", "c", "late"]


def test_a_run_that_has_started_before_is_let_in_always() -> None:
    door = Door(noop=0)
    door.come(run("again", order=(0, 0.0, 0, "again")), run("going", under_way=True))

    assert len(door.buffer) == 0


def test_who_leaves_outside_is_not_let_in() -> None:
    door = Door(noop=1)
    door.come(*runs("abc"))
    door.buffer.forget("b")
    door.buffer.forget("never seen")

    assert door.serve_all() == ["a", "c"]


def test_while_everything_is_being_taken_in_bounded_sources_wait_outside_for_their_order() -> None:
    door = Door(noop=1)

    assert not door.buffer.has_room(run("a"), first=True)
    assert door.buffer.has_room(run("x", source="other"), first=True)
    assert not Door(high_watermark=9).buffer.has_room(run("a"), first=True)


@given(
    watermark=st.none() | st.integers(1, 6),
    share=st.none() | st.integers(1, 100),
    bound=st.none() | st.integers(0, 4),
    steps=st.lists(st.tuples(st.sampled_from(["come", "serve", "leave"]), st.integers(0, 15)), max_size=80),
)
def test_bounds_hold_at_every_moment_and_nobody_is_lost(watermark, share, bound, steps) -> None:
    door = Door(watermark, share)
    door.buffer.set_bound("s0", bound)
    known: dict[str, QueuedRun] = {}
    for number, (step, which) in enumerate(steps):
        name = f"r{which}"
        if step == "come" and name not in known:
            known[name] = run(name, source=f"s{which % 2}", order=(1, float(number), 0, name))
            door.come(known[name])
        elif step == "serve":
            known.pop(door.serve() or "", None)
        elif step == "leave" and known.pop(name, None) is not None:
            door.queue.forget(name)
            door.buffer.forget(name)
            while (guest := door.buffer.take_next()) is not None:
                door.queue.enqueue(guest)
        assert watermark is None or len(door.queue.pending) <= watermark
        assert bound is None or door.queue.queued_count("s0") <= bound
        assert len(door.queue.pending) + len(door.buffer) == len(known)
    door.buffer.set_bound("s0", None)
    while (guest := door.buffer.take_next()) is not None:
        door.queue.enqueue(guest)
    assert sorted(door.serve_all()) == sorted(known)
    assert not door.buffer._heaps
