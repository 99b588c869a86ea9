"""Coming to rest: a drain ends within its bound, whatever runs and whatever comes in meanwhile."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.stage import Stage, run, submitted
from taskaction.execution import manager as manager_module
from taskaction.execution.manager import ExecutionManager
from taskaction.testing.clock import settle

LONG = 60.0
"""More than any of these tests takes: where it is waited for, something hangs."""


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    found = Stage()
    yield found
    await found.close()


async def test_a_drain_without_work_returns_at_once(stage) -> None:
    async with asyncio.timeout(LONG / 10):
        await stage.manager().drain(LONG)


async def test_a_drain_lets_running_turns_end_and_starts_no_other(stage) -> None:
    manager = stage.manager(workers=1)
    await submitted(manager, "a", "b")
    drained = asyncio.ensure_future(manager.drain(LONG))
    await settle()
    assert not drained.done()

    await stage.let("a")
    await drained

    assert (stage.started, stage.ended, stage.cancelled) == (["a"], ["a"], [])
    assert manager.queued_count == 1


async def test_submissions_during_a_drain_wait_for_the_next_owner(stage) -> None:
    manager = stage.manager(workers=2)
    await submitted(manager, "a")
    drained = asyncio.ensure_future(manager.drain(LONG))
    await settle()
    await submitted(manager, "a", "late")
    manager.forget("a")
    await stage.let("a")
    await drained

    assert stage.started == ["a"]
    assert (manager.running_count, manager.queued_count) == (0, 1)


async def test_turns_that_outlive_the_drain_are_cancelled_and_waited_for(stage) -> None:
    manager = stage.manager(workers=2)
    await submitted(manager, "slow", "slower", "waiting")
    async with asyncio.timeout(LONG / 10):
        await manager.drain(0.01)

    assert stage.cancelled == ["slow", "slower"]
    assert (manager.running_count, manager.queued_count) == (0, 1)


async def test_a_turn_that_ignores_its_cancellation_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager_module, "_OBEY_SECONDS", 0.01)
    enough, cancelled = asyncio.Event(), 0

    async def stubborn(_: str) -> bool:
        nonlocal cancelled
        while not enough.is_set():
            try:
                await enough.wait()
            except asyncio.CancelledError:
                cancelled += 1
        return True

    stage = Stage()
    manager = ExecutionManager(workers_count=1, observer=stage, clock=stage.clock, jitter=lambda: 0.5)
    manager.start_processing_action_runs(stubborn)
    await submitted(manager, "a")
    async with asyncio.timeout(LONG / 10):
        await manager.drain(0.01)
    assert (manager.running_count, cancelled) == (1, 1)

    enough.set()
    await settle()
    assert manager.running_count == 0


async def test_a_turn_that_ends_just_as_the_drain_s_time_is_over_has_ended(stage) -> None:
    manager = stage.manager()
    await submitted(manager, "a")
    stage.cues.pop("a").set_result(None)
    await manager.drain(0)

    assert (stage.ended, stage.cancelled, manager.running_count) == (["a"], [], 0)


async def test_a_drain_right_after_a_submission_cancels_the_turn_that_has_just_begun(stage) -> None:
    manager = stage.manager()
    manager.submit(run("a"))
    async with asyncio.timeout(LONG / 10):
        await manager.drain(0)

    assert (stage.started, stage.cancelled) == (["a"], ["a"])
    assert manager.running_count == 0
