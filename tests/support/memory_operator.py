"""A whole operator in memory whose clock, watch and leases the test moves, so that each may be late or absent."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from support.fake_cluster import FakeCluster
from support.records import body
from taskaction.api.task_action import TaskAction
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.cluster.memory.store import Event
from taskaction.local.operator import InProcessOperator
from taskaction.plugin.registry import Plugin
from taskaction.testing.clock import FakeClock, settle

_ROUNDS = 50


class MemoryOperator(InProcessOperator):
    """One replica; several may share a cluster and a clock."""

    def __init__(
        self, *plugins: Plugin, cluster: FakeCluster | None = None, clock: FakeClock | None = None, **settings: Any
    ) -> None:
        self.cluster = cluster or FakeCluster()
        self.clock = clock or FakeClock()
        super().__init__(self.cluster, self.clock, *plugins, **{"namespace": "ops", **settings})

    async def __aexit__(self, *_: object) -> None:
        await self.crash()

    async def create(self, *bodies: Body) -> None:
        """Create actions as users do, and let the operator go as far as it can now."""
        for one in bodies:
            self.cluster.store(TASK_ACTIONS, one)
        await self.settle()

    async def change(self, name: str, **spec: Any) -> None:
        """Change an action as its user does."""
        found = self.stored(name)
        metadata = found["metadata"] | {"generation": found["metadata"]["generation"] + 1}
        self.cluster.store(TASK_ACTIONS, found | {"metadata": metadata, "spec": found["spec"] | spec})
        await self.settle()

    async def settle(self) -> None:
        """Tell the operator what it has not heard of, until nothing is new."""
        for _ in range(_ROUNDS):
            await settle()
            if not self.deliver():
                break

    async def until(self, check: Callable[[], bool], seconds: float = 30) -> None:
        """Wait in real time for what no test's clock drives; the limit only ends a test that has failed."""
        async with asyncio.timeout(seconds):
            while not check():
                await asyncio.sleep(0.01)
                await self.settle()

    async def pass_time(self, seconds: float, step: float = 0.5) -> None:
        """Let time pass in steps, with a round of the leases at each."""
        left = seconds
        while left > 0:
            await self.clock.advance(min(step, left))
            await self.control.leases.run_round()
            await self.settle()
            left -= step

    def stored(self, name: str) -> Body:
        """Give an action as the API server has it."""
        return next(found for key, found in self.cluster.objects.items() if key[0] == "taskactions" and key[2] == name)

    def action(self, name: str) -> TaskAction:
        """Give an action as the API server has it, read."""
        return TaskAction.from_body(self.stored(name))

    def phase(self, name: str) -> str:
        """Give an action's phase."""
        return str(self.action(name).status.phase)

    def of_kind(self, plural: str) -> list[Body]:
        """Give the objects of a kind."""
        return [found for key, found in self.cluster.objects.items() if key[0] == plural]

    def _on_cluster_event(self, event: Event) -> None:
        self.enqueue_event(event)  # and be told of it by ``settle``

    def _work(self) -> dict[str, Any]:
        return {name: work for name, work in super()._work().items() if name != "leases" or work.close()}


def actions(names: Iterable[str], executor: str, parameters: Body | None = None, **spec: Any) -> list[Body]:
    """Give actions of one executor."""
    return [body(name, executor=executor, parameters=parameters or {}, **spec) for name in names]
