"""The order of an Ocean executor's runs, whenever they arrive and with how many replicas."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.memory_operator import MemoryOperator, actions
from taskaction.cluster.gateway import TASK_ACTIONS
from taskaction.integrations.port.ocean import AbstractExecutor, ActionRun, RunStatus, hosted, ocean
from taskaction.testing.clock import settle


class Tracked(AbstractExecutor):
    """Keeps account of what runs beside what; each run waits to be let go."""

    ACTION_NAME = "tracked"
    PARTITION_KEY: Any = "key"

    def __init__(self) -> None:
        self.running: dict[str, asyncio.Event] = {}
        self.keys: Counter[str] = Counter()
        self.order: list[str] = []
        self.most_of_a_key = 0
        self.most = 0

    async def execute(self, run: ActionRun[Any]) -> None:
        name, key = run.execution_properties["name"], run.execution_properties.get("key")
        self.order.append(name)
        self.running[name] = gate = asyncio.Event()
        self.most = max(self.most, len(self.running))
        if key is not None:
            self.keys[key] += 1
            self.most_of_a_key = max(self.most_of_a_key, self.keys[key])
        try:
            await gate.wait()
        finally:
            del self.running[name]
            if key is not None:
                self.keys[key] -= 1
        await ocean.port_client.patch_run(run.id, {"status": RunStatus.SUCCESS})


class Asked(Tracked):
    async def _get_partition_key(self, run: ActionRun[Any]) -> str | None:  # type: ignore[override]  # as Ocean code has it
        for _ in range(len(run.execution_properties["name"])):
            await asyncio.sleep(0)
        return run.execution_properties.get("key")


def tracked(name: str, key: str | None) -> Any:
    (found,) = actions([name], "tracked", {"name": name, "key": key})
    return found


@pytest.mark.parametrize("kind", [Tracked, Asked])
async def test_ocean_d01_runs_that_arrive_while_the_last_of_their_key_runs_wait_for_it(kind: type[Tracked]) -> None:
    executor = kind()
    async with MemoryOperator(hosted(executor), workers_count=5) as operator:
        for name in ("one", "two", "three"):  # each arrives when the queue of the key is empty
            await operator.create(tracked(name, "a"))
        assert executor.order == ["one"]
        for name in ("one", "two", "three"):
            executor.running[name].set()
            await operator.settle()
        assert executor.order == ["one", "two", "three"]
        assert executor.most_of_a_key == 1


@pytest.mark.parametrize("kind", [Tracked, Asked])
@given(
    keys=st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=14),
    choices=st.lists(st.integers(0, 10), max_size=40),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_arrivals_a_key_runs_one_at_a_time_in_order_and_everything_ends(
    kind: type[Tracked], keys: list[str | None], choices: list[int]
) -> None:
    async def story() -> None:
        executor = kind()
        waiting = [(f"run-{number:02}", key) for number, key in enumerate(keys)]
        names = [name for name, _ in waiting]
        left = iter(choices)
        async with MemoryOperator(hosted(executor), workers_count=4) as operator:
            while waiting or executor.running:
                choice = next(left, 1)
                if waiting and (choice % 2 or not executor.running):
                    await operator.create(tracked(*waiting.pop(0)))
                elif executor.running:
                    executor.running[sorted(executor.running)[choice % len(executor.running)]].set()
                    await operator.settle()
            assert {operator.phase(name) for name in names} == {"Succeeded"}
        assert executor.most_of_a_key <= 1
        for key in ("a", "b"):
            ordered = [name for name, its in zip(names, keys, strict=True) if its == key]
            assert [name for name in executor.order if name in ordered] == ordered
        assert sorted(executor.order) == names

    asyncio.run(story())


async def test_runs_without_a_key_use_all_workers() -> None:
    executor = Tracked()
    async with MemoryOperator(hosted(executor), workers_count=5) as operator:
        await operator.create(*(tracked(f"free-{number}", None) for number in range(8)))
        assert executor.most == 5


@pytest.mark.parametrize("kind", [Tracked, Asked])
async def test_ocean_d02_two_replicas_keep_the_order_of_a_key(kind: type[Tracked]) -> None:
    executor = kind()  # the same for both: it sees what runs anywhere
    async with (
        MemoryOperator(hosted(executor), identity="one", workers_count=5) as first,
        MemoryOperator(hosted(executor), cluster=first.cluster, clock=first.clock, identity="two") as second,
    ):
        names = [f"run-{number}" for number in range(6)]
        for name in names:
            first.cluster.store(TASK_ACTIONS, tracked(name, "a"))
        for name in names:
            await both(first, second)
            executor.running[name].set()
        await both(first, second)
        assert executor.order == names
        assert executor.most_of_a_key == 1
        assert {first.phase(name) for name in names} == {"Succeeded"}


async def both(*operators: MemoryOperator) -> None:
    for _ in range(3):
        for operator in operators:
            await operator.settle()
            await settle()
