"""The manager under limits: full queues, parked runs and rates, none of which holds a worker."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from support.stage import Stage, run, submitted
from taskaction.execution.limits import SourceLimits, TokenBucket
from taskaction.execution.manager import ExecutionManager
from taskaction.execution.pacing import Pace
from taskaction.testing.clock import settle


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    found = Stage()
    yield found
    await found.close()


def paced(manager: ExecutionManager, *, interval: float = 10.0, burst: int = 1, recorded: bool = True) -> Pace:
    pace = Pace(TokenBucket(interval=interval, burst=burst))
    pace.reserved_until = 4e9 if recorded else 0.0
    manager.set_limits("noop", SourceLimits(), pace)
    return pace


async def parked(stage: Stage, manager: ExecutionManager, *names: str, seconds: float = 60.0) -> None:
    """Let runs find out that their quota is used up."""
    await submitted(manager, *names)
    for name in names:
        manager.park(run(name), "quota", seconds)
        await stage.let(name)


async def test_who_waits_outside_of_a_full_queue_is_told_and_let_in_by_order(stage) -> None:
    manager = stage.manager(workers=1)
    manager.set_limits("noop", SourceLimits(queued=1), None)
    await submitted(manager, "a", "b", "c", "d")
    assert (stage.told, manager.queued_count, manager.backlog_count) == ([("crowded", "c"), ("crowded", "d")], 1, 2)

    await stage.let("a")

    assert stage.told[2:] == [("admitted", "c")]
    assert stage.started == ["a", "b"]


async def test_a_bound_is_kept_by_the_order_of_creation_after_a_restart(stage) -> None:
    manager = stage.manager(workers=1, begun=False, runs_buffer_high_watermark=1)
    await submitted(manager, "c", "a", "b")

    manager.start_processing_action_runs(stage.process)
    await settle()

    assert (stage.started, stage.told) == (["a"], [("admitted", "a"), ("admitted", "b")])
    assert not manager.submit(run("c")), "it waits outside"


async def test_5000_parked_runs_hold_no_worker_and_ask_once_in_ten_seconds(stage) -> None:
    manager = stage.manager(workers=2)
    with stage.timed(manager):
        await parked(stage, manager, *(f"r{number:04}" for number in range(5000)))
        assert (manager.running_count, manager.parked_count) == (0, 5000)
        stage.started.clear()
        for _ in range(6):
            await stage.clock.advance(10.0)
            (looking,) = stage.cues
            manager.park(run(looking), "quota", 60.0)
            await stage.let(looking)

    assert len(stage.started) == 6


async def test_other_runs_go_on_while_some_are_parked(stage) -> None:
    manager = stage.manager(workers=1)
    await parked(stage, manager, "a", "b")
    await submitted(manager, "other", source="http")

    assert stage.started == ["a", "b", "other"]


async def test_a_parked_run_keeps_its_partition(stage) -> None:
    manager = stage.manager()
    await submitted(manager, "a", "b", partition="key")
    manager.park(run("a", partition="key"), "quota", 60.0)
    await stage.let("a")

    assert (stage.started, manager.running_count) == (["a"], 0)


@pytest.mark.parametrize(
    ("seconds", "looked_at"),
    [(0.0, 0.5), (-3.0, 0.5), (4.0, 4.0), (3600.0, 10.0)],
    ids=["nothing said", "nonsense", "soon", "much later"],
)
async def test_a_quota_is_looked_at_when_it_should_be_lifted_and_never_at_once(stage, seconds, looked_at) -> None:
    manager = stage.manager()
    with stage.timed(manager):
        await parked(stage, manager, "a", seconds=seconds)
        await stage.clock.advance(looked_at - 0.01)
        assert stage.started == ["a"]
        await stage.clock.advance(0.02)
        assert stage.started == ["a", "a"]


async def test_all_follow_at_a_growing_pace_when_the_quota_is_lifted(stage) -> None:
    manager = stage.manager(workers=100)
    names = [f"r{number}" for number in range(9)]
    with stage.timed(manager):
        await parked(stage, manager, *names)
        stage.started.clear()
        await stage.clock.advance(10.0)
        waves = []
        while stage.cues:
            waves.append(len(stage.cues))
            for name in stage.cues:
                manager.hold(run(name, under_way=True))
            await stage.let(*stage.cues)

    assert (waves, stage.started) == ([1, 2, 4, 2], names)


async def test_another_one_looks_when_the_one_that_was_to_look_is_gone(stage) -> None:
    manager = stage.manager()
    with stage.timed(manager):
        await parked(stage, manager, "a", "b")
        await stage.clock.advance(10.0)
        manager.forget("a")
        await stage.let("a")

    assert stage.started == ["a", "b", "a", "b"]


async def test_a_rate_starts_as_many_as_it_has_tokens_and_says_until_when_the_others_wait(stage) -> None:
    manager = stage.manager(workers=9)
    with stage.timed(manager):
        paced(manager, burst=2)
        await submitted(manager, "a", "b", "c", "d")
        assert (stage.started, stage.told[-1]) == (["a", "b"], ("paced", "noop 12:00:10"))
        await stage.clock.advance(10.0)
        assert stage.started == ["a", "b", "c"]
        await stage.clock.advance(10.0)

    assert stage.started == ["a", "b", "c", "d"]


async def test_a_start_that_did_not_come_about_costs_no_token(stage) -> None:
    manager = stage.manager()
    paced(manager)
    stage.idle.add("a")
    await submitted(manager, "a", "b")
    assert stage.started == ["a"]
    await stage.let("a")

    assert stage.started == ["a", "b"]


async def test_a_call_takes_its_token_when_it_is_made_and_not_when_its_worker_was_free(stage) -> None:
    """As while the API server stalls: what was prepared meanwhile does not reach the target at once."""
    manager = stage.manager(workers=9)
    paced(manager, interval=1.0, burst=2)
    calls: list[float] = []
    stalled = asyncio.Event()

    async def process(run_id: str) -> None:
        await stalled.wait()
        await manager.take_token(run_id)
        calls.append(stage.clock.monotonic())

    manager.start_processing_action_runs(process)
    with stage.timed(manager):
        await submitted(manager, *"abcdef")
        for _ in range(5):
            await stage.clock.advance(1.0)
        begun = stage.clock.monotonic()
        stalled.set()
        await settle()
        for _ in range(5):
            await stage.clock.advance(1.0)

    assert [at - begun for at in calls] == [0.0, 0.0, 1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("interval", [0.01, 0.02, 0.05, 0.09, 0.11, 1.0])
async def test_the_last_caller_of_a_batch_gets_its_token_in_time_at_any_rate(stage, interval: float) -> None:
    manager = stage.manager(workers=9)
    paced(manager, interval=interval, burst=1)
    calls: list[float] = []

    async def process(run_id: str) -> None:
        await manager.take_token(run_id)
        calls.append(stage.clock.monotonic())

    manager.start_processing_action_runs(process)
    begun = stage.clock.monotonic()
    with stage.timed(manager):
        await submitted(manager, *"abc")
        for _ in range(10):
            await stage.clock.advance(interval)
    assert len(calls) == 3
    assert calls[-1] - begun <= 4 * interval


async def test_callers_that_give_up_leave_their_tokens_to_others(stage) -> None:
    manager = stage.manager(workers=9)
    pace = paced(manager, interval=1.0, burst=2)
    await submitted(manager, "a", "b")
    pace.bucket = pace.bucket.spend(stage.clock.now().timestamp(), 5)
    callers = [asyncio.create_task(manager.take_token(name)) for name in "ab"]
    await settle()
    callers[0].cancel()
    with stage.timed(manager):
        await stage.clock.advance(6.0)
    assert [caller.done() for caller in callers] == [True, True]
    assert callers[1].exception() is None


async def test_a_rate_that_is_taken_away_lets_callers_go(stage) -> None:
    manager = stage.manager()
    pace = paced(manager, burst=1)
    await submitted(manager, "a")
    pace.bucket = pace.bucket.spend(stage.clock.now().timestamp())
    caller = asyncio.create_task(manager.take_token("a"))
    await settle()
    assert not caller.done()
    manager.set_limits("noop", SourceLimits(), None)
    await settle()
    assert caller.done()


async def test_a_poll_costs_no_token(stage) -> None:
    manager = stage.manager()
    paced(manager)
    await submitted(manager, "a")
    manager.hold(run("a", under_way=True))
    await stage.let("a")
    await submitted(manager, "a", under_way=True)

    assert stage.started == ["a", "a"]


async def test_who_is_let_in_from_outside_asks_for_a_rate_that_nobody_had_waited_for(stage) -> None:
    manager = stage.manager(workers=1, runs_buffer_high_watermark=1)
    for name in "ab":
        manager.submit(run(name, source="other"))
    await submitted(manager, "c")
    paced(manager, recorded=False)
    assert stage.told == [("crowded", "c")], "c waits outside, so nobody waits for the rate"

    await stage.let("a")

    assert stage.told[1:] == [("admitted", "c"), ("unrecorded", "noop")]


async def test_nothing_starts_before_the_use_of_its_rate_is_on_record(stage) -> None:
    manager = stage.manager()
    pace = paced(manager, recorded=False)
    assert stage.told == [], "nobody waits for it"
    await submitted(manager, "a")
    assert (stage.started, stage.told) == ([], [("unrecorded", "noop")])

    pace.reserved_until = pace.next_reservation(stage.clock.now().timestamp(), 1)
    manager.on_reservation_recorded("noop")
    await settle()

    assert stage.started == ["a"]


async def test_a_rate_that_is_taken_away_lets_all_go(stage) -> None:
    manager = stage.manager(workers=9)
    paced(manager)
    await submitted(manager, "a", "b", "c")
    manager.set_limits("noop", SourceLimits(), None)
    await settle()

    assert stage.started == ["a", "b", "c"]


async def test_what_waits_and_goes_on_is_counted_for_people(stage) -> None:
    manager = stage.manager(workers=1)
    await submitted(manager, "a", "b")
    manager.park(run("p"), "quota", 60.0)

    assert (manager.waiting_count("noop"), manager.under_way_count("noop"), manager.waiting_runs("noop")) == (
        2,
        1,
        ["b"],
    )
    assert isinstance(stage.clock.now(), datetime)


async def test_another_one_looks_when_the_one_that_looked_waits_for_another_quota_now(stage) -> None:
    """As where its question has raised: the others' quota would never be looked at again."""
    manager = stage.manager()
    with stage.timed(manager):
        await parked(stage, manager, "a", "b", "c", seconds=1.0)
        await stage.clock.advance(1.5)
        assert stage.started[3:] == ["a"]
        manager.park(run("a"), "another quota", 60.0)
        await stage.let("a")
        await stage.clock.advance(0.5)
        assert stage.started[3:] == ["a", "b"]
        assert manager.parked_count == 2
