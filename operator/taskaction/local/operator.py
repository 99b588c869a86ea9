"""A whole operator over a cluster in memory, for trying actions out and for tests; it is fed as a watch would feed it.

Time is the clock's that is handed in: with a clock that stands still, nothing happens but what can happen now.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from typing import Any, Self

from taskaction.api.enums import TERMINAL_PHASES
from taskaction.app.observer import OperatorJournal
from taskaction.app.wiring import assemble
from taskaction.cluster.gateway import (
    ACTION_EVENTS,
    ACTION_FLOW_RUNS,
    ACTION_FLOWS,
    ACTION_PROVIDERS,
    CLUSTER_ACTION_PROVIDERS,
    TASK_ACTIONS,
    Body,
    Resource,
)
from taskaction.cluster.memory import MemoryCluster
from taskaction.cluster.memory.store import Event
from taskaction.core.clock import Clock
from taskaction.plugin.registry import Plugin
from taskaction.runtime.config import OperatorConfig
from taskaction.runtime.metrics import Metrics

WATCHED: tuple[Resource, ...] = (
    ACTION_PROVIDERS,
    CLUSTER_ACTION_PROVIDERS,
    ACTION_FLOWS,
    ACTION_FLOW_RUNS,
    ACTION_EVENTS,
    TASK_ACTIONS,
)
"""The kinds that it is told of, in the order in which what exists is told at its start."""
_KINDS = {resource.plural: resource.kind for resource in WATCHED}
_SHARDS = 4


class InProcessOperator:
    """One replica in this process; several may share a cluster and a clock. Works while its block lasts.

    Attributes:
        control: the assembled control layer.
    """

    def __init__(self, cluster: MemoryCluster, clock: Clock, *plugins: Plugin, **settings: Any) -> None:
        """``plugins`` are executors beside those that are installed, ``settings`` fields of ``OperatorConfig``."""
        metrics = Metrics()
        config = OperatorConfig(**{"shards": _SHARDS, **settings})
        self._cluster = cluster
        self._interval = config.scan_interval.total_seconds()
        self._journal = OperatorJournal(metrics, clock)
        self.control = assemble(config, cluster, clock, self._journal, metrics, lambda: 0.5, plugins)
        self._news: deque[tuple[str, str | None, Body]] = deque()
        self._tasks: list[asyncio.Task[None]] = []
        self._listening = ExitStack()

    async def __aenter__(self) -> Self:
        """Take over what exists, and begin to work."""
        self._listening.callback(self._cluster.listen(self._heard))
        for resource in WATCHED:
            for (plural, _, _), body in list(self._cluster.objects.items()):
                if plural == resource.plural and not _has_ended(resource, body):
                    self._news.append((resource.kind, None, body))
        self.deliver()
        await self.control.leases.round()
        self._tasks = [asyncio.create_task(work, name=name) for name, work in self._work().items()]
        self.control.manager.start_processing_action_runs()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End what is under way, and let another one take over at once."""
        await self.crash()
        self.control.leases.leave()
        await self.control.leases.release()

    async def crash(self) -> None:
        """End as a crash does: nothing is written any more, and the leases are left to run out."""
        self._listening.close()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self.control.manager.drain(0)
        await self.control.background.finish(0)
        await self.control.registry.close()

    def deliver(self) -> bool:
        """Tell the operator what has happened since; False where nothing has."""
        heard = bool(self._news)
        while self._news:
            kind, event, body = self._news.popleft()
            self.control.notice(kind, event, body)
        return heard

    def hear(self, event: Event) -> None:
        """Keep a change until it is delivered."""
        kind = _KINDS.get(event.plural)
        if kind is not None:
            self._news.append((kind, event.kind, event.body))

    def _heard(self, event: Event) -> None:
        self.hear(event)
        asyncio.get_running_loop().call_soon(self.deliver)

    def _work(self) -> dict[str, Coroutine[Any, Any, None]]:
        return self.control.work(self._interval, self._journal.failed)


def _has_ended(resource: Resource, body: Body) -> bool:
    """Say whether an action or a run has ended: the operator's watches show none that has."""
    return resource in {TASK_ACTIONS, ACTION_FLOW_RUNS} and body.get("status", {}).get("phase") in TERMINAL_PHASES
