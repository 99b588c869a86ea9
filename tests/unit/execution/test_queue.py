"""The order of work: who is served next, who must wait, and what is left when all is done."""

from collections.abc import Iterable

import pytest

from taskaction.execution.queue import RunQueue
from taskaction.execution.runs import QueuedRun
from taskaction.execution.shares import ShareSettings


def run(name: str, *, namespace: str = "a", source: str = "noop", created: float = 0.0, **place) -> QueuedRun:
    place.setdefault("order", (1, created, 0, name))
    return QueuedRun(id=name, namespace=namespace, source=source, **place)


def in_partition(name: str, *, created: float = 0.0, **place) -> QueuedRun:
    return run(name, partition="key", created=created, **place)


def filled(runs: Iterable[QueuedRun]) -> RunQueue:
    queue = RunQueue(ShareSettings())
    for one in runs:
        assert queue.enqueue(one)
    return queue


def taken(queue: RunQueue) -> list[str]:
    """Give what may start now, in its order."""
    names = []
    while (one := queue.take()) is not None:
        names.append(one.id)
    return names


def served(queue: RunQueue) -> list[str]:
    """Give what is served in which order when one worker carries each run to its end."""
    names = []
    while (one := queue.take()) is not None:
        names.append(one.id)
        queue.forget(one.id)
        queue.release_worker(one.id)
    return names


ORDERS = [
    pytest.param([("new", (1, 1.0, 1, "new")), ("started", (0, 9.0, 9, "started"))], id="a started attempt first"),
    pytest.param([("later", (1, 2.0, 1, "later")), ("earlier", (1, 1.0, 9, "earlier"))], id="then by creation time"),
    pytest.param([("second", (1, 1.0, 8, "second")), ("first", (1, 1.0, 7, "first"))], id="then by first version"),
    pytest.param([("b", (1, 1.0, 7, "b")), ("a", (1, 1.0, 7, "a"))], id="then by name"),
]


@pytest.mark.parametrize("partition", [None, "key"], ids=["global lane", "partition"])
@pytest.mark.parametrize("arrived", ORDERS)
def test_a_lane_serves_by_its_order_and_not_by_arrival(arrived, partition) -> None:
    queue = filled(run(name, order=order, partition=partition) for name, order in arrived)

    assert served(queue) == [name for name, _ in reversed(arrived)]


def test_runs_without_a_partition_go_side_by_side() -> None:
    assert taken(filled(run(name) for name in "abc")) == ["a", "b", "c"]


def test_a_partition_lets_one_run_go_at_a_time() -> None:
    queue = filled(in_partition(name) for name in "ab")

    assert taken(queue) == ["a"]
    queue.release_worker("a")
    assert taken(queue) == [], "a waits for something outside and keeps its partition"
    queue.forget("a")
    assert taken(queue) == ["b"]


def test_the_same_key_of_another_source_or_namespace_is_another_partition() -> None:
    queue = filled([in_partition("a"), in_partition("b", source="http"), in_partition("c", namespace="b")])

    assert sorted(taken(queue)) == ["a", "b", "c"]


def test_a_run_that_keeps_its_partition_goes_before_older_ones() -> None:
    queue = filled([in_partition("young", created=5.0)])
    queue.take()
    queue.hold(in_partition("young", created=5.0))
    queue.release_worker("young")
    queue.enqueue(in_partition("old", created=1.0))
    queue.enqueue(in_partition("young", created=5.0))

    assert served(queue) == ["young", "old"]


def test_a_run_that_waits_already_is_not_queued_again() -> None:
    queue = filled([run("a")])

    assert not queue.enqueue(run("a"))
    assert taken(queue) == ["a"]


def test_a_call_for_a_turn_during_a_turn_gives_one_more_turn_afterwards() -> None:
    queue = filled([run("a")])
    queue.take()

    assert queue.enqueue(run("a"))
    assert not queue.enqueue(run("a"))
    assert taken(queue) == []
    queue.release_worker("a")
    assert taken(queue) == ["a"]
    queue.release_worker("a")
    assert taken(queue) == []


@pytest.mark.parametrize("partition", [None, "key"], ids=["global lane", "partition"])
def test_a_run_that_is_forgotten_and_put_again_during_its_turn_is_not_given_twice(partition) -> None:
    queue = filled([run("a", partition=partition)])
    queue.take()
    queue.forget("a")
    queue.enqueue(run("a", partition=partition))

    assert taken(queue) == [], "its turn is not over"
    queue.release_worker("a")
    assert taken(queue) == ["a"]


def test_a_forgotten_run_is_not_given_out() -> None:
    queue = filled(run(name) for name in "abc")
    queue.forget("b")

    assert taken(queue) == ["a", "c"]


def test_a_forgotten_run_may_come_back_with_another_place() -> None:
    queue = filled([run("first", priority=9), run("back", priority=5), run("third", priority=3)])
    queue.forget("back")
    queue.enqueue(run("back", priority=1))

    assert taken(queue) == ["first", "third", "back"]


def test_a_forgotten_run_may_come_back_in_another_lane() -> None:
    queue = filled([run("a"), run("b"), run("c")])
    queue.forget("b")
    queue.enqueue(run("b", source="http"))

    assert taken(queue) == ["a", "b", "c"]
    assert len(queue) == 0


@pytest.mark.parametrize("during_turn", [False, True], ids=["at rest", "during its turn"])
def test_a_held_partition_stays_closed_until_its_holder_is_forgotten(during_turn) -> None:
    queue = RunQueue(ShareSettings())
    if during_turn:
        queue.enqueue(in_partition("paused"))
        queue.take()
        queue.forget("paused")
    queue.hold(in_partition("paused"))
    queue.release_worker("paused")
    queue.enqueue(in_partition("next"))

    assert taken(queue) == []
    queue.forget("paused")
    assert taken(queue) == ["next"]


def test_a_run_that_is_held_waits_no_more_and_lets_nobody_into_its_partition() -> None:
    queue = filled([in_partition("suspended"), in_partition("next"), run("free")])
    queue.hold(in_partition("suspended"))
    queue.hold(run("free"))

    assert taken(queue) == []
    queue.forget("suspended")
    assert taken(queue) == ["next"]


def test_holding_means_nothing_without_a_partition() -> None:
    queue = RunQueue(ShareSettings())
    queue.hold(run("paused"))

    assert queue.lane_count == 0


def test_unknown_runs_are_no_matter() -> None:
    queue = filled([run("a")])
    queue.forget("never seen")
    queue.release_worker("never seen")

    assert taken(queue) == ["a"]


def test_namespaces_take_turns_however_much_each_has() -> None:
    busy = [run(f"busy-{number}") for number in range(3)]
    queue = filled([*busy, run("quiet-0", namespace="b"), run("quiet-1", namespace="b")])

    assert taken(queue) == ["busy-0", "quiet-0", "busy-1", "quiet-1", "busy-2"]


def test_sources_of_a_namespace_take_turns() -> None:
    queue = filled([*(run(f"noop-{number}") for number in range(3)), run("http-0", source="http")])

    assert taken(queue) == ["noop-0", "http-0", "noop-1", "noop-2"]


def test_a_priority_orders_the_lanes_of_its_namespace() -> None:
    queue = filled([run("low"), run("high", source="http", priority=10), run("middle", source="git", priority=5)])

    assert taken(queue) == ["high", "middle", "low"]


def test_a_priority_takes_nothing_from_other_namespaces() -> None:
    queue = filled([run("a0"), run("b0", namespace="b", priority=1000), run("b1", namespace="b", priority=1000)])

    assert taken(queue) == ["a0", "b0", "b1"]


def test_the_priority_of_an_urgent_namespace_comes_before_all_others() -> None:
    queue = RunQueue(ShareSettings(urgent=frozenset({"b"})))
    for one in (run("a0", priority=1000), run("b0", namespace="b"), run("b1", namespace="b", priority=1)):
        queue.enqueue(one)

    assert taken(queue) == ["b1", "a0", "b0"]


def test_a_namespace_of_twice_the_weight_gets_twice_the_workers() -> None:
    queue = RunQueue(ShareSettings(weights={"a": 2}))
    for number in range(6):
        for namespace in "ab":
            queue.enqueue(run(f"{namespace}{number}", namespace=namespace))

    assert sorted(one[0] for one in taken(queue)[:6]) == ["a"] * 4 + ["b"] * 2


def test_a_namespace_that_keeps_its_workers_waits_for_one_that_has_fewer() -> None:
    queue = filled([run(f"a{number}") for number in range(4)])
    assert [queue.take() for _ in range(3)] != []
    queue.enqueue(run("b0", namespace="b"))
    queue.enqueue(run("b1", namespace="b"))

    assert taken(queue) == ["b0", "b1", "a3"]


def test_a_run_in_a_shared_partition_uses_the_share_of_its_own_namespace() -> None:
    queue = filled([run(f"p{number}", namespace="", tenant="a", partition=str(number)) for number in range(3)])
    queue.enqueue(run("b0", namespace="b"))
    queue.enqueue(run("a0", namespace="a"))

    assert taken(queue)[1] == "b0"


def test_priority_orders_a_global_lane_but_never_a_partition() -> None:
    lane = filled([run("plain"), run("urgent", priority=10, created=9.0)])
    partition = filled([in_partition("plain"), in_partition("urgent", priority=10, created=9.0)])

    assert served(lane) == ["urgent", "plain"]
    assert served(partition) == ["plain", "urgent"]


def test_an_urgent_run_inside_a_partition_does_not_lift_the_partition() -> None:
    queue = filled([in_partition("head"), in_partition("urgent", priority=10, created=9.0), run("rival", priority=5)])

    assert served(queue) == ["rival", "head", "urgent"]


def test_the_queue_tells_how_much_waits_and_is_out() -> None:
    queue = filled([run("a"), run("b"), in_partition("c")])
    queue.take()

    assert (len(queue), queue.busy_count, queue.lane_count) == (2, 1, 2)


def test_nothing_is_left_of_lanes_without_work() -> None:
    queue = filled(run(f"{number}", source=f"s{number % 7}", partition=f"p{number % 11}") for number in range(100))
    assert queue.lane_count == 77

    assert len(served(queue)) == 100
    assert (len(queue), queue.busy_count, queue.lane_count) == (0, 0, 0)


def test_turn_after_turn_of_a_partition_s_head_costs_no_memory_while_an_older_run_waits() -> None:
    queue = filled([in_partition("head", created=5.0)])
    assert taken(queue) == ["head"]
    queue.enqueue(in_partition("old", created=1.0))
    for _ in range(1000):
        queue.enqueue(in_partition("head", created=5.0))
        queue.release_worker("head")
        assert taken(queue) == ["head"]

    (lane,) = queue._lanes.values()
    assert len(lane.heap) < 20


def test_runs_that_come_and_go_behind_a_waiting_one_cost_no_memory() -> None:
    queue = filled([run("first")])
    for number in range(1000):
        queue.enqueue(run("guest", created=1.0 + number))
        queue.forget("guest")

    (lane,) = queue._lanes.values()
    assert len(lane.heap) < 20
