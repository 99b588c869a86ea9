"""Workers are shared between namespaces: whoever uses idle ones returns them, at the latest after a second."""

from hypothesis import given
from hypothesis import strategies as st

from support.stage import Stage, run, submitted
from taskaction.execution.shares import Shares, ShareSettings
from taskaction.testing.clock import settle

WORKERS = 4


def names(namespace: str, number: int, first: int = 0) -> list[str]:
    return [f"{namespace}{index}" for index in range(first, first + number)]


async def greedy(stage: Stage, **settings: object) -> object:
    """Let one namespace have all workers, with calls that do not end."""
    manager = stage.manager(workers=WORKERS, **settings)
    await submitted(manager, *names("a", 10), namespace="a")
    assert stage.started == names("a", WORKERS)
    return manager


async def test_a_namespace_may_use_workers_that_no_other_wants() -> None:
    stage = Stage()
    await greedy(stage)
    await stage.close()


async def test_another_namespace_waits_a_second_at_most_for_long_calls() -> None:
    stage = Stage()
    manager = await greedy(stage)
    with stage.timed(manager):
        await submitted(manager, "b0", namespace="b")
        assert "b0" not in stage.started
        await stage.clock.advance(1.0)
        assert "b0" in stage.started
    await stage.close()


async def test_it_waits_no_second_while_the_long_calls_last() -> None:
    stage = Stage()
    manager = await greedy(stage)
    await stage.clock.advance(1.0)
    await submitted(manager, *names("b", 2), namespace="b")
    assert stage.started[WORKERS:] == ["b0", "b1"]
    await stage.let("b0")
    await submitted(manager, "b2", namespace="b")
    assert stage.started[-1] == "b2"
    await stage.close()


async def test_it_gets_its_share_and_no_more_beside_long_calls() -> None:
    stage = Stage()
    manager = await greedy(stage)
    await stage.clock.advance(1.0)
    await submitted(manager, *names("b", 10), namespace="b")
    assert stage.started[WORKERS:] == names("b", WORKERS // 2)
    await stage.close()


async def test_a_worker_that_was_returned_goes_to_whoever_has_fewer() -> None:
    stage = Stage()
    manager = await greedy(stage)
    await submitted(manager, "b0", namespace="b")
    await stage.let("a0")
    assert stage.started[-1] == "b0"
    await stage.close()


async def test_however_many_namespaces_come_at_most_twice_the_workers_are_busy() -> None:
    stage = Stage()
    manager = await greedy(stage)
    await stage.clock.advance(1.0)
    for number in range(3 * WORKERS):
        manager.submit(run(f"x{number}", namespace=f"n{number}"))
    await settle()
    assert manager.running_count == 2 * WORKERS
    await stage.close()


async def test_a_full_queue_still_admits_a_namespace_that_has_nothing_in_it() -> None:
    stage = Stage()
    manager = await greedy(stage, runs_buffer_high_watermark=3)
    assert (manager.queued_count, manager.backlog_count) == (3, 3)
    await submitted(manager, "b0", "b1", namespace="b")
    assert (manager.queued_count, manager.is_in_backlog("b1")) == (4, True)
    await stage.let("a0")
    assert stage.started[-1] == "b0"
    assert not manager.is_in_backlog("b1")
    await stage.close()


async def test_the_place_of_a_namespace_that_has_nothing_queued_any_more_is_its_own() -> None:
    stage = Stage()
    manager = stage.manager(workers=1, runs_buffer_high_watermark=2)
    await submitted(manager, "first", namespace="x")
    await submitted(manager, "a0", "a1", namespace="a")
    for number in range(6):
        manager.submit(run(f"e{number}", namespace="e", source=f"e{number}"))
    await submitted(manager, "a2", namespace="a")
    served = []
    for _ in range(8):
        last = stage.started[-1]
        served.append(last)
        manager.forget(last)
        await stage.let(last)
    assert "a2" in served[:6], served
    await stage.close()


async def test_a_namespace_below_its_share_gets_a_loan_although_one_with_fewer_workers_waits() -> None:
    stage = Stage()
    shares = ShareSettings(weights={"gold": 9, "hog": 3})
    manager = stage.manager(workers=20, shares=shares)
    await submitted(manager, *names("gold", 10), namespace="gold")
    await submitted(manager, "x0", namespace="x")
    await submitted(manager, *names("hog", 9), namespace="hog")
    await stage.clock.advance(1.0)
    await submitted(manager, "x1", namespace="x")
    await submitted(manager, "gold10", namespace="gold")
    assert "gold10" in stage.started
    await stage.close()


@given(
    weights=st.dictionaries(st.sampled_from("abc"), st.integers(1, 5)),
    running=st.dictionaries(st.sampled_from("abcd"), st.integers(1, 20)),
    wanting=st.sets(st.sampled_from("abcd")),
    workers=st.integers(1, 64),
)
def test_shares_add_up_to_the_workers(weights, running, wanting, workers) -> None:
    shares = Shares(ShareSettings(weights=weights))
    for namespace, number in running.items():
        for _ in range(number):
            shares.start(namespace)
    for namespace in wanting:
        shares.want(namespace)
    active = running.keys() | wanting
    total = sum(weights.get(namespace, 1) for namespace in active)
    for namespace in active:
        share = workers * weights.get(namespace, 1) / total
        now = running.get(namespace, 0)
        assert shares.may_have_more(namespace, workers) == (now == 0 or now + 1 <= share)
        assert shares.has_too_many(namespace, workers) == (now > 1 and now > share)
    for namespace, number in running.items():
        for _ in range(number):
            shares.finish(namespace)
    for namespace in wanting:
        shares.want_no_more(namespace)
    assert len(shares) == 0
