"""A whole operator over a cluster in memory, for trials and tests; notifications arrive as from a watch.

The caller provides the clock. While a clock stands still, only work that is due now happens.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from typing import Any, Self

from taskaction.api.bodies import has_ended
from taskaction.app.observer import OperatorRecorder
from taskaction.app.operator_metrics import OperatorMetrics
from taskaction.app.wiring import assemble
from taskaction.cluster.gateway import (
    ACTION_EVENTS,
    ACTION_FLOW_RUNS,
    ACTION_FLOWS,
    ACTION_PROVIDERS,
    ACTION_SCHEDULES,
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

WATCHED: tuple[Resource, ...] = (
    ACTION_PROVIDERS,
    CLUSTER_ACTION_PROVIDERS,
    ACTION_FLOWS,
    ACTION_FLOW_RUNS,
    ACTION_EVENTS,
    ACTION_SCHEDULES,
    TASK_ACTIONS,
)
"""The watched kinds, in the order in which existing objects are delivered at the start."""
_KINDS = {resource.plural: resource.kind for resource in WATCHED}
_SHARDS = 4


class InProcessOperator:
    """One replica in this process, active inside its ``async with`` block; replicas can share cluster and clock.

    Attributes:
        control: the assembled control layer.
    """

    def __init__(self, cluster: MemoryCluster, clock: Clock, *plugins: Plugin, **settings: Any) -> None:
        """Create a replica.

        ``plugins`` are executors in addition to the installed ones, ``settings`` are fields of ``OperatorConfig``.
        """
        metrics = OperatorMetrics()
        config = OperatorConfig(**{"shards": _SHARDS, **settings})
        self._cluster = cluster
        self._interval = config.scan_interval.total_seconds()
        self._journal = OperatorRecorder(metrics, clock)
        self.control = assemble(config, cluster, clock, self._journal, metrics, lambda: 0.5, plugins)
        self._news: deque[tuple[str, str | None, Body]] = deque()
        self._tasks: list[asyncio.Task[None]] = []
        self._listening = ExitStack()

    async def __aenter__(self) -> Self:
        """Deliver the existing objects, and start to work."""
        self._listening.callback(self._cluster.listen(self._on_cluster_event))
        for resource in WATCHED:
            for (plural, _, _), body in list(self._cluster.objects.items()):
                if plural == resource.plural and not _has_ended(resource, body):
                    self._news.append((resource.kind, None, body))
        self.deliver()
        await self.control.leases.run_round()
        self._tasks = [asyncio.create_task(work, name=name) for name, work in self._work().items()]
        self.control.start_processing()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and release the leases so that another replica can take over at once."""
        await self.crash()
        self.control.leases.leave()
        await self.control.leases.release()

    async def crash(self) -> None:
        """Stop like a crash: nothing more is written, and the leases expire."""
        self._listening.close()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self.control.manager.drain(0)
        await self.control.background.finish(0)
        await self.control.registry.close()

    def deliver(self) -> bool:
        """Deliver queued changes to the operator; return whether there were any."""
        heard = bool(self._news)
        while self._news:
            kind, event, body = self._news.popleft()
            self.control.dispatch_notification(kind, event, body)
        return heard

    def enqueue_event(self, event: Event) -> None:
        """Queue a change until it is delivered."""
        kind = _KINDS.get(event.plural)
        if kind is not None:
            self._news.append((kind, event.kind, event.body))

    def _on_cluster_event(self, event: Event) -> None:
        self.enqueue_event(event)
        asyncio.get_running_loop().call_soon(self.deliver)

    def _work(self) -> dict[str, Coroutine[Any, Any, None]]:
        return self.control.background_work(self._interval, self._journal.on_task_failed)


def _has_ended(resource: Resource, body: Body) -> bool:
    """Whether an action or a run has ended: the watches of the operator do not show those."""
    return resource in {TASK_ACTIONS, ACTION_FLOW_RUNS} and has_ended(body)
