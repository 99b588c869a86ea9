"""What Port Ocean's queues got wrong (D1, D13, D14), as it must be here; the other defects have their tests nearby."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from support.stage import Stage, run, submitted
from taskaction.testing.clock import settle


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    found = Stage()
    yield found
    await found.close()


async def test_ocean_d01_runs_of_a_key_stay_serial_whenever_they_arrive(stage) -> None:
    """The last queued run of a key is under way and its queue is empty when the next one comes."""
    manager = stage.manager(workers=3)
    await submitted(manager, "first", partition="key")
    await submitted(manager, "second", partition="key")
    await submitted(manager, "third", partition="key")
    assert stage.started == ["first"]
    for name, following in ("first", "second"), ("second", "third"):
        manager.forget(name)
        await stage.let(name)
        assert stage.started[-1] == following
        assert manager.running_count == 1


async def test_ocean_d01_a_key_stays_closed_while_its_run_goes_on_outside(stage) -> None:
    manager = stage.manager(workers=3)
    await submitted(manager, "first", partition="key")
    manager.hold(run("first", partition="key", under_way=True))
    await stage.let("first")
    await submitted(manager, "second", partition="key")

    assert (stage.started, manager.running_count) == (["first"], 0)


async def test_ocean_d13_a_run_is_known_until_it_has_ended(stage) -> None:
    manager = stage.manager(workers=3)
    await submitted(manager, "run", partition="key")
    await submitted(manager, "run", partition="key")  # it is under way: one more turn, never a second one beside it
    assert not manager.submit(run("run", partition="key"))

    assert (Counter(stage.started), manager.running_count) == (Counter(run=1), 1)


async def test_ocean_d14_nothing_is_left_of_keys_whose_runs_have_ended(stage) -> None:
    manager = stage.manager(workers=50)
    names = [f"r{number}" for number in range(50)]
    for name in names:
        manager.submit(run(name, partition=f"key of {name}"))
    await settle()
    for name in names:
        manager.forget(name)
    await stage.let(*names)

    assert (manager.lane_count, manager.queued_count, manager.running_count) == (0, 0, 0)


async def test_ocean_d14_an_idle_manager_does_nothing_at_all(stage) -> None:
    manager = stage.manager(workers=3)
    before = len(asyncio.all_tasks())
    await submitted(manager, "a")
    await stage.let("a")

    assert len(asyncio.all_tasks()) == before, "no worker stands and waits, so none can be woken for nothing"
    assert stage.clock.asked == []
