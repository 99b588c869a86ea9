"""The Actions service on a socket of this process, over a cluster in memory: for what clients do to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from cluster.ports import HOST, free_port
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.cluster.memory.cluster import MemoryCluster
from taskaction.core.clock import Clock, SystemClock
from taskaction.integrations.flyte.service.recorder import ActionsRecorder
from taskaction.integrations.flyte.service.service import Facade
from taskaction.integrations.flyte.service.settings import ActionsConfig
from taskaction.plugin.storage import ProjectStorage
from taskaction.runtime.supervisor import Supervisor

GRACE = "500ms"


@dataclass(frozen=True)
class Served:
    """A service that runs, and the cluster that it looks at."""

    address: str
    cluster: MemoryCluster
    facade: Facade

    @property
    def url(self) -> str:
        """Where clients of HTTP find it."""
        return f"http://{self.address}"

    @property
    def watches(self) -> int:
        """How many watches it serves."""
        return self.facade.cache.watches

    def actions(self, run_name: str) -> list[Body]:
        """Give the objects of a run's actions."""
        found = [body for (kind, _, _), body in self.cluster.objects.items() if kind == TASK_ACTIONS.plural]
        return [body for body in found if body["metadata"]["labels"]["flyte.org/run"] == run_name]

    def report(self, body: Body, **status: Any) -> None:
        """Write a status, as an operator does."""
        self.cluster.store(TASK_ACTIONS, {**body, "status": status})

    async def until_watched(self, number: int) -> None:
        """Return when so many watches are served; raises ``TimeoutError``."""
        async with asyncio.timeout(20):
            while self.watches != number:  # noqa: ASYNC110 - what it waits for tells nobody
                await asyncio.sleep(0.01)


@asynccontextmanager
async def served(*, stalled: float = 60.0, clock: Clock | None = None, **own: Any) -> AsyncIterator[Served]:
    """Serve while the block lasts; ``clock`` says how old watches are, and when certificates are looked at."""
    clock, cluster = clock or SystemClock(), MemoryCluster()
    address = f"{HOST}:{free_port()}"
    settings: dict[str, Any] = {"task_types": {"noop": "noop", "sleep": "sleep"}, "shutdown_delay": GRACE, **own}
    config = ActionsConfig(bind=address, authentication="none", **settings)
    nowhere = ProjectStorage(None)
    facade = Facade(config, cluster, clock, ActionsRecorder(), "mark", storage=nowhere, stalled=stalled)
    supervisor = Supervisor()
    starting, failing = asyncio.create_task(facade.start(supervisor)), asyncio.create_task(supervisor.wait_for_end())
    try:
        await asyncio.wait({starting, failing}, return_when=asyncio.FIRST_COMPLETED)
        supervisor.raise_if_ended()
        yield Served(address, cluster, facade)
    finally:
        starting.cancel()
        failing.cancel()
        facade.on_stopping()
        try:
            await facade.drain(supervisor)
        finally:
            await supervisor.cancel()
