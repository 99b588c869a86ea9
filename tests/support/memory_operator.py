"""A whole operator in memory: the real engine and executors over a ``FakeCluster`` and a clock that the test moves."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Self

from support.clock import FakeClock, settled
from support.fake_cluster import FakeCluster
from support.records import body
from taskaction.api.base import format_time
from taskaction.api.task_action import TaskAction
from taskaction.assembly import assemble
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.config import OperatorConfig
from taskaction.executors.registry import Plugin
from taskaction.journal import OperatorJournal
from taskaction.metrics import Metrics

_ROUNDS = 50


class MemoryOperator:
    """One replica; several may share a cluster and a clock."""

    def __init__(
        self,
        *plugins: Plugin,
        cluster: FakeCluster | None = None,
        clock: FakeClock | None = None,
        **settings: Any,
    ) -> None:
        self.cluster = cluster or FakeCluster()
        self.clock = clock or FakeClock()
        metrics = Metrics()
        config = OperatorConfig(**{"namespace": "ops", "shards": 4, **settings})
        journal = OperatorJournal(metrics, self.clock)
        self.control = assemble(config, self.cluster, self.clock, journal, metrics, lambda: 0.5, plugins)
        self._seen: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.control.leases.round()
        work = self.control.agenda.run(), self.control.manager.run_timers(), self.control.quotas.run()
        self._tasks = [asyncio.create_task(one) for one in work]
        self.control.manager.start_processing_action_runs()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self.control.manager.drain(0)
        await self.control.background.finish(0)
        await self.control.registry.close()

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
            await settled()
            if not self._tell():
                break

    async def until(self, check: Callable[[], bool], seconds: float = 5) -> None:
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
            await self.control.leases.round()
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

    def _tell(self) -> bool:
        news = False
        for found in self.of_kind("taskactions"):
            uid, version = found["metadata"]["uid"], found["metadata"]["resourceVersion"]
            if self._seen.get(uid) != version:
                self._seen[uid] = version
                self.control.intake.notice("MODIFIED", found)
                news = True
        for found in self.of_kind("actionevents"):
            found["metadata"].setdefault("creationTimestamp", format_time(self.clock.now()))
            if found["metadata"]["uid"] not in self._seen:
                self._seen[found["metadata"]["uid"]] = found["metadata"]["resourceVersion"]
                self.control.deliveries.notice("ADDED", found)
                news = True
        return news


def actions(names: Iterable[str], executor: str, parameters: Body | None = None, **spec: Any) -> list[Body]:
    """Give actions of one executor."""
    return [body(name, executor=executor, parameters=parameters or {}, **spec) for name in names]
