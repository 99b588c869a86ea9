"""Runs of one partition go one after the other, however the key is found; an error in finding it ends the run."""

import asyncio
from typing import Any

import pytest

from support.memory_operator import MemoryOperator, actions
from taskaction.integrations.port.ocean import AbstractExecutor, ActionRun, IntegrationRun, RunStatus, hosted, ocean


class Deploy(AbstractExecutor):
    """Stays in ``execute`` until a test lets it go."""

    ACTION_NAME = "deploy_service"
    PARTITION_KEY: Any = "service"

    def __init__(self) -> None:
        self.started: list[str] = []
        self.asked: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def execute(self, run: ActionRun[Any]) -> None:
        name = run.execution_properties["name"]
        self.started.append(name)
        await self.gates.setdefault(name, asyncio.Event()).wait()
        await ocean.port_client.patch_run(run.id, {"status": RunStatus.SUCCESS})

    def let(self, name: str) -> None:
        self.gates.setdefault(name, asyncio.Event()).set()


class Finding(Deploy):
    """Finds the key by itself."""

    error: BaseException | None = None

    async def _get_partition_key(self, run: IntegrationRun) -> str | None:
        self.asked.append(run.execution_properties["name"])
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return run.execution_properties.get("service")


def deploy(name: str, service: Any, **spec: Any) -> Any:
    (found,) = actions([name], "deploy-service", {"name": name, "service": service}, **spec)
    return found


@pytest.mark.parametrize("kind", [Deploy, Finding])
async def test_runs_of_one_key_go_one_after_the_other_and_others_beside_them(kind: type[Deploy]) -> None:
    executor = kind()
    async with MemoryOperator(hosted(executor)) as operator:
        await operator.create(
            deploy("a1", "a"), deploy("a2", "a"), deploy("b1", "b"), deploy("n1", None), deploy("n2", "")
        )
        assert sorted(executor.started) == ["a1", "b1", "n1", "n2"]
        executor.let("a1")
        await operator.settle()
        assert operator.phase("a1") == "Succeeded"
        assert executor.started[-1] == "a2"


async def test_a_key_is_asked_for_once_and_stands_in_the_status() -> None:
    executor = Finding()
    async with MemoryOperator(hosted(executor)) as operator:
        await operator.create(deploy("a1", "a"), deploy("a2", "a"))
        assert executor.asked == ["a1", "a2"]
        assert operator.action("a1").status.partition_key == "a"
        executor.let("a1")
        executor.let("a2")
        await operator.settle()
        assert executor.asked == ["a1", "a2"]
        assert operator.phase("a2") == "Succeeded"


async def test_an_action_that_names_its_partition_is_not_asked_for_one() -> None:
    executor = Finding()
    async with MemoryOperator(hosted(executor)) as operator:
        await operator.create(deploy("a1", "a", partitionKey="mine"), deploy("a2", "b", partitionKey="mine"))
        assert executor.asked == []
        assert executor.started == ["a1"]


async def test_a_partition_is_kept_across_a_change_of_owner() -> None:
    first, second = Finding(), Finding()
    async with MemoryOperator(hosted(first), identity="one") as operator:
        await operator.create(deploy("a1", "a"))
        cluster, clock = operator.cluster, operator.clock
        held = operator.stored("a1")
        assert held["status"]["partitionKey"] == "a"
    cluster.objects = {key: found for key, found in cluster.objects.items() if key[0] == "taskactions"}
    async with MemoryOperator(hosted(second), cluster=cluster, clock=clock, identity="two") as operator:
        await operator.create(deploy("a2", "a"))
        assert second.started == []  # it is not known yet what has become of the first
        await operator.pass_time(11)
        assert operator.action("a1").status.reason == "Interrupted"
        assert second.started == ["a2"]


async def test_actions_whose_key_only_the_executor_knows_share_a_shard() -> None:
    async with MemoryOperator(hosted(Finding()), shards=64) as operator:
        await operator.create(*(deploy(f"x{number}", f"key-{number}") for number in range(20)))
        assert len({record.shard for record in operator.control.table}) == 1


async def test_actions_whose_key_is_a_parameter_are_spread_and_each_key_stays_together() -> None:
    async with MemoryOperator(hosted(Deploy()), shards=64) as operator:
        await operator.create(*(deploy(f"x{number}", f"key-{number % 10}") for number in range(20)))
        shards = {record.name: record.shard for record in operator.control.table}
        assert len(set(shards.values())) > 3
        assert all(shards[f"x{number}"] == shards[f"x{number + 10}"] for number in range(10))


ERRORS = {
    "an error": (KeyError("service"), "KeyError: 'service'"),
    "no text": (RuntimeError(), "RuntimeError without a message"),
    "cancels itself": (asyncio.CancelledError(), "cancelled itself"),
    "exits": (SystemExit(3), "SystemExit"),
}


@pytest.mark.parametrize(("error", "said"), ERRORS.values(), ids=ERRORS)
async def test_ocean_d03_an_error_in_finding_the_partition_fails_the_run_with_a_reason(
    error: BaseException, said: str
) -> None:
    executor = Finding()
    executor.error = error
    async with MemoryOperator(hosted(executor)) as operator:
        await operator.create(deploy("a1", "a"))
        status = operator.action("a1").status
        assert (str(status.phase), status.reason) == ("Failed", "PartitionKeyFailed")
        assert said in str(status.message)
        assert executor.started == []
        executor.error = None
        await operator.create(deploy("a2", "a"))
        assert executor.started == ["a2"]


async def test_ocean_d03_the_retry_policy_has_the_key_asked_for_again() -> None:
    executor = Finding()
    executor.error = KeyError("service")
    async with MemoryOperator(hosted(executor)) as operator:
        await operator.create(deploy("a1", "a", retryPolicy={"limit": 3, "backoff": {"initial": "2s"}}))
        assert operator.action("a1").status.reason == "BackingOff"
        executor.error = None
        await operator.pass_time(3)
        assert executor.asked == ["a1", "a1"]
        assert executor.started == ["a1"]


async def test_ocean_d03_a_key_that_is_never_found_is_waited_for_within_a_bound() -> None:
    class Hanging(Finding):
        async def _get_partition_key(self, run: IntegrationRun) -> str | None:
            await asyncio.Event().wait()
            return None

    executor = Hanging()
    operator = MemoryOperator(hosted(executor))
    object.__setattr__(operator.control.actions.turns._caller._settings, "partition_patience", 0.05)
    async with operator:
        await operator.create(deploy("a1", "a"))
        await operator.until(lambda: operator.phase("a1") == "Failed")
        assert "no answer within 0.05s" in str(operator.action("a1").status.message)
