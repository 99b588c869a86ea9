"""Workers: how many runs go at once, what a crash costs, and who keeps a partition closed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.stage import Stage, run, submitted
from taskaction.testing.clock import settle


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    found = Stage()
    yield found
    await found.close()


async def test_as_many_runs_go_at_once_as_there_are_workers(stage) -> None:
    manager = stage.manager(workers=2)
    await submitted(manager, "a", "b", "c")

    assert stage.started == ["a", "b"]
    assert (manager.running_count, manager.queued_count) == (2, 1)


async def test_a_worker_that_is_free_again_takes_the_next_run(stage) -> None:
    manager = stage.manager(workers=1)
    await submitted(manager, "a", "b")
    await stage.let("a")

    assert stage.started == ["a", "b"]
    await stage.let("b")
    assert (manager.running_count, manager.queued_count) == (0, 0)


async def test_runs_only_collect_before_the_start_so_that_their_order_is_known(stage) -> None:
    manager = stage.manager(workers=1, begun=False)
    await submitted(manager, "later", "earlier")
    assert stage.started == []

    manager.start_processing_action_runs(stage.process)
    await settle()

    assert stage.started == ["earlier"]


async def test_a_run_that_waits_already_is_no_second_run(stage) -> None:
    manager = stage.manager(workers=1)
    await submitted(manager, "a", "b")

    assert not manager.submit(run("b"))
    await stage.let("a")
    await stage.let("b")
    assert stage.started == ["a", "b"]


async def test_a_run_that_is_submitted_during_its_turn_gets_another_one_afterwards(stage) -> None:
    manager = stage.manager(workers=2)
    await submitted(manager, "a")
    await submitted(manager, "a")
    assert stage.started == ["a"]

    await stage.let("a")

    assert stage.started == ["a", "a"]


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a bug"), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()],
    ids=["an error", "an exit", "an interrupt", "a run that cancels itself"],
)
async def test_a_turn_that_crashes_costs_no_worker_and_no_other_run(stage, error) -> None:
    manager = stage.manager(workers=2)
    await submitted(manager, "good", "bad", "next")
    await stage.fail("bad", error)

    assert stage.started == ["good", "bad", "next"]
    assert manager.running_count == 2
    await stage.let("good", "next")
    assert stage.ended == ["good", "next"]
    assert manager.running_count == 0


async def test_a_crash_is_told_with_its_run(stage) -> None:
    manager = stage.manager()
    await submitted(manager, "bad")
    bug = RuntimeError("a bug")
    await stage.fail("bad", bug)

    assert stage.crashes == [("bad", bug)]


async def test_every_worker_may_crash_again_and_again(stage) -> None:
    manager = stage.manager(workers=2)
    names = [f"bad-{number}" for number in range(10)]
    await submitted(manager, *names)
    for name in names:
        await stage.fail(name, RuntimeError("a bug"))

    assert [name for name, _ in stage.crashes] == names
    await submitted(manager, "a", "b", "c")
    assert (manager.running_count, manager.queued_count) == (2, 1)


async def test_a_partition_is_closed_between_the_turns_of_its_run_and_opens_when_it_is_forgotten(stage) -> None:
    manager = stage.manager(workers=2)
    await submitted(manager, "a", "b", partition="key")
    await stage.let("a")
    assert stage.started == ["a"]

    manager.forget("a")
    await settle()

    assert stage.started == ["a", "b"]


async def test_a_held_run_closes_its_partition_without_a_worker(stage) -> None:
    manager = stage.manager()
    manager.hold(run("paused", partition="key"))
    await submitted(manager, "next", partition="key")
    assert (stage.started, manager.running_count, manager.lane_count) == ([], 0, 1)

    manager.forget("paused")
    await settle()

    assert stage.started == ["next"]


async def test_a_run_that_is_forgotten_while_it_waits_is_never_started(stage) -> None:
    manager = stage.manager(workers=1)
    await submitted(manager, "a", "b", "c")
    manager.forget("b")
    await stage.let("a")

    assert stage.started == ["a", "c"]


async def test_a_run_that_is_let_go_and_taken_again_during_its_turn_has_one_turn_at_a_time(stage) -> None:
    manager = stage.manager(workers=2)
    await submitted(manager, "a")
    manager.forget("a")
    await submitted(manager, "a")
    assert (stage.started, manager.running_count) == (["a"], 1)

    await stage.let("a")
    await stage.let("a")

    assert stage.started == ["a", "a"]
    assert (manager.running_count, manager.queued_count, manager.lane_count, stage.crashes) == (0, 0, 0, [])


async def test_nothing_is_left_when_all_runs_have_ended(stage) -> None:
    manager = stage.manager(workers=3)
    names = [f"r{number}" for number in range(20)]
    for number, name in enumerate(names):
        manager.submit(run(name, partition=str(number % 4)))
    while manager.running_count:
        await settle()
        for name in list(stage.cues):
            manager.forget(name)
            await stage.let(name)

    assert sorted(stage.ended) == sorted(names)
    assert (manager.queued_count, manager.lane_count) == (0, 0)
