"""Limits of a source: how many attempts at a time, per partition and over time, and what they never hold up."""

import pytest

from taskaction.execution.limits import UNLIMITED, SourceLimits
from taskaction.execution.queue import RunQueue
from taskaction.execution.runs import QueuedRun
from taskaction.execution.shares import ShareSettings


def run(name: str, *, namespace: str = "a", source: str = "deploy", **place) -> QueuedRun:
    place.setdefault("order", (1, 0.0, 0, name))
    return QueuedRun(id=name, namespace=namespace, source=source, **place)


def queue_with(limits: SourceLimits, *runs: QueuedRun) -> RunQueue:
    queue = RunQueue(ShareSettings())
    queue.set_limits("deploy", limits)
    for one in runs:
        assert queue.enqueue(one)
    return queue


def taken(queue: RunQueue) -> list[str]:
    names = []
    while (one := queue.take()) is not None:
        names.append(one.id)
    return names


def ends(queue: RunQueue, name: str) -> None:
    queue.forget(name)
    queue.release_worker(name)


def test_a_namespace_whose_source_may_start_nothing_takes_no_share_from_others() -> None:
    queue = queue_with(SourceLimits(concurrent=1), *(run(name, namespace="b") for name in ("b1", "b2")))
    assert taken(queue) == ["b1"]
    ends(queue, "b1")
    queue.close_source("deploy")
    own = [run(f"a{number}", source="other") for number in range(4)]
    for one in own:
        queue.enqueue(one)
    assert len(taken(queue)) == 4
    assert not queue.exceeds_share(own[0], workers=4)
    queue.open_source("deploy")
    assert queue.exceeds_share(own[0], workers=4)
    assert taken(queue) == ["b2"]


def test_no_more_attempts_than_allowed_are_under_way_at_a_time() -> None:
    queue = queue_with(SourceLimits(concurrent=2), *(run(name) for name in "abc"))

    assert taken(queue) == ["a", "b"]
    ends(queue, "a")
    assert taken(queue) == ["c"]


def test_an_attempt_that_goes_on_outside_keeps_its_seat_and_gives_its_worker_back() -> None:
    queue = queue_with(SourceLimits(concurrent=1), run("a"), run("b"))
    queue.take()
    queue.hold(run("a", under_way=True))
    queue.release_worker("a")

    assert (queue.busy_count, queue.running_count("deploy"), taken(queue)) == (0, 1, [])
    queue.forget("a")
    assert taken(queue) == ["b"]


def test_a_poll_of_an_attempt_under_way_waits_for_no_seat() -> None:
    queue = queue_with(SourceLimits(concurrent=1), run("a", partition="key"), run("b"))
    queue.take()
    queue.hold(run("a", partition="key", under_way=True))
    queue.release_worker("a")
    queue.enqueue(run("a", partition="key", under_way=True))

    assert taken(queue) == ["a"]


def test_a_run_in_backoff_keeps_its_partition_and_no_seat() -> None:
    queue = queue_with(SourceLimits(concurrent=1), *(run(name, partition=name[0]) for name in ("a1", "a2", "b1")))
    queue.take()
    queue.hold(run("a1", partition="a"))
    queue.release_worker("a1")

    assert taken(queue) == ["b1"]
    ends(queue, "b1")
    assert taken(queue) == [], "a2 waits for a1"
    queue.enqueue(run("a1", partition="a", order=(0, 0.0, 0, "a1")))
    assert taken(queue) == ["a1"]


def test_a_source_at_its_limit_holds_up_no_other() -> None:
    queue = queue_with(SourceLimits(concurrent=1), run("a"), run("b"), run("other", source="notify"))

    assert taken(queue) == ["a", "other"]


def test_attempts_that_were_under_way_before_count_even_beyond_the_limit() -> None:
    queue = queue_with(SourceLimits(concurrent=1), run("new"))
    for name in "ab":
        queue.hold(run(name, under_way=True))

    assert (queue.running_count("deploy"), taken(queue)) == (2, [])
    queue.forget("a")
    assert taken(queue) == []
    queue.forget("b")
    assert taken(queue) == ["new"]


@pytest.mark.parametrize("limits", [SourceLimits(concurrent=3), UNLIMITED], ids=["more", "none"])
def test_a_limit_that_is_raised_lets_more_start_at_once(limits) -> None:
    queue = queue_with(SourceLimits(concurrent=1), *(run(name) for name in "abc"))
    assert taken(queue) == ["a"]

    queue.set_limits("deploy", limits)

    assert taken(queue) == ["b", "c"]


def test_a_limit_that_is_lowered_ends_nothing() -> None:
    queue = queue_with(SourceLimits(concurrent=3), *(run(name) for name in "abcd"))
    assert taken(queue) == ["a", "b", "c"]
    queue.set_limits("deploy", SourceLimits(concurrent=1))

    ends(queue, "a")
    ends(queue, "b")
    assert taken(queue) == []
    ends(queue, "c")
    assert taken(queue) == ["d"]


def test_a_partition_may_admit_several_in_their_order() -> None:
    runs = [run(name, partition="key", order=(1, float(number), 0, name)) for number, name in enumerate("abc")]
    queue = queue_with(SourceLimits(per_partition=2), *reversed(runs))

    assert taken(queue) == ["a", "b"]
    ends(queue, "b")
    assert taken(queue) == ["c"]


def test_two_that_keep_one_partition_after_a_crash_go_one_after_the_other() -> None:
    queue = queue_with(UNLIMITED, run("next", partition="key"))
    for name in "ab":
        queue.hold(run(name, partition="key"))
        queue.enqueue(run(name, partition="key", order=(0, 0.0, 0, name)))

    assert taken(queue) == ["a"]
    ends(queue, "a")
    assert taken(queue) == ["b"], "it was started before, and goes before the next"
    ends(queue, "b")
    assert taken(queue) == ["next"]


def test_a_closed_source_starts_nothing_and_goes_on_with_what_is_under_way() -> None:
    queue = queue_with(UNLIMITED, run("new"))
    queue.close_source("deploy")
    queue.enqueue(run("going", under_way=True))

    assert taken(queue) == ["going"]
    queue.open_source("deploy")
    assert taken(queue) == ["new"]


def test_namespaces_take_turns_for_the_seats_of_a_source_that_they_share() -> None:
    names = [f"{namespace}{number}" for namespace in "abc" for number in range(3)]
    queue = queue_with(SourceLimits(concurrent=1), *(run(name, namespace=name[0]) for name in names))
    served = []
    while (one := queue.take()) is not None:
        served.append(one.id)
        ends(queue, one.id)

    assert served == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


def test_a_higher_priority_gets_the_next_seat_whenever_it_comes() -> None:
    queue = queue_with(SourceLimits(concurrent=1), run("first"), run("low"))
    queue.take()
    queue.enqueue(run("high", priority=9))
    ends(queue, "first")

    assert taken(queue) == ["high"]


def test_a_seat_that_its_first_candidate_leaves_goes_to_the_next() -> None:
    queue = queue_with(SourceLimits(concurrent=1), run("busy"), run("b", namespace="b"), run("c", namespace="c"))
    queue.take()
    ends(queue, "busy")
    queue.forget("b")

    assert taken(queue) == ["c"]


def test_what_waits_and_what_is_under_way_is_counted_by_source() -> None:
    queue = queue_with(SourceLimits(concurrent=1), *(run(name) for name in "abc"), run("x", source="notify"))
    queue.take()

    assert (
        queue.queued_count("deploy"),
        queue.running_count("deploy"),
        queue.queued_count("notify"),
        len(queue.pending),
    ) == (2, 1, 1, 3)
    assert list(queue.waiting_runs("deploy")) == ["b", "c"]
    assert (queue.queued_count("unknown"), queue.running_count("unknown"), list(queue.waiting_runs("unknown"))) == (
        0,
        0,
        [],
    )


def test_a_slot_of_a_shared_source_goes_to_a_namespace_that_uses_it() -> None:
    queue = RunQueue(ShareSettings())
    queue.set_limits("shared", SourceLimits(concurrent=1))
    queue.enqueue(run("busy", source="shared", namespace="c"))
    assert queue.take() is not None
    queue.enqueue(run("a", source="shared", namespace="a"))
    queue.enqueue(run("b", source="shared", namespace="b"))
    for number in range(20):
        queue.enqueue(run(f"better-{number}", namespace="a", source="own", priority=10))
    queue.forget("busy")
    queue.release_worker("busy")

    assert "b" in [one.id for one in (queue.take(), queue.take()) if one is not None]
