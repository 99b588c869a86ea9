"""The Actions service on a socket of this process, over a cluster in memory: for what clients do to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from cluster.ports import HOST, Ports
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.cluster.memory.cluster import MemoryCluster
from taskaction.core.clock import Clock, SystemClock
from taskaction.integrations.flyte.service.health import HealthService
from taskaction.integrations.flyte.service.journal import ActionsJournal
from taskaction.integrations.flyte.service.server import ACTIONS, ActionsServerSettings, Application, run
from taskaction.integrations.flyte.service.service import Facade
from taskaction.integrations.flyte.service.settings import ActionsConfig

GRACE = 0.5


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
    clock, cluster, journal = clock or SystemClock(), MemoryCluster(), ActionsJournal()
    address = f"{HOST}:{Ports.free().apiserver}"
    config = ActionsConfig(bind=address, authentication="none", task_types={"noop": "noop", "sleep": "sleep"}, **own)
    facade = Facade(config, cluster, clock, journal, "mark")
    informing = [asyncio.create_task(informer.run(journal.record_failure)) for informer in facade.informers]
    for informer in facade.informers:
        await informer.listed.wait()
    begun, over = asyncio.Event(), asyncio.Event()

    async def stopped() -> None:
        begun.set()
        await over.wait()
        facade.watches.stop()

    health = HealthService(lambda: True, clock, [ACTIONS])
    settings = ActionsServerSettings(
        bind=address,
        request_bytes=config.max_request_bytes,
        grace=GRACE,
        stalled=stalled,
        certificate=config.tls_cert_file,
        key=config.tls_key_file,
        client_ca=config.tls_client_ca_file,
    )
    application = Application(facade.rpc, health, config.max_request_bytes)
    serving = asyncio.create_task(run(application, settings, stopped, clock, journal.record_failure))
    try:
        beginning = asyncio.create_task(begun.wait())
        await asyncio.wait({serving, beginning}, return_when=asyncio.FIRST_COMPLETED)
        if not begun.is_set():
            beginning.cancel()
            serving.result()
        yield Served(address, cluster, facade)
    finally:
        over.set()
        await serving
        for task in informing:
            task.cancel()
        await asyncio.gather(*informing, return_exceptions=True)
