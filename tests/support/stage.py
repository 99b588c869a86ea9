"""Runs that go on cue, for tests of workers: a test decides when and how each turn ends."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from support.clock import settled
from taskaction.execution.manager import ExecutionManager
from taskaction.execution.queue import QueuedRun


@dataclass
class Stage:
    """What the runs do: each turn waits for its cue, and what it is given decides how it ends."""

    started: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    crashes: list[tuple[str, BaseException]] = field(default_factory=list)
    cues: dict[str, asyncio.Future[None]] = field(default_factory=dict)

    async def process(self, run_id: str) -> None:
        self.started.append(run_id)
        cue = self.cues[run_id] = asyncio.get_running_loop().create_future()
        try:
            await cue
        except asyncio.CancelledError:
            self.cancelled.append(run_id)
            raise
        self.ended.append(run_id)

    def crashed(self, run_id: str, error: BaseException) -> None:
        self.crashes.append((run_id, error))

    async def let(self, *names: str) -> None:
        """Let turns end well."""
        for name in names:
            self.cues.pop(name).set_result(None)
        await settled()

    async def fail(self, name: str, error: BaseException) -> None:
        self.cues.pop(name).set_exception(error)
        await settled()

    def manager(self, *, workers: int = 2) -> ExecutionManager:
        manager = ExecutionManager(self.process, workers_count=workers, observer=self)
        manager.start_processing_action_runs()
        return manager


def run(name: str, **place: Any) -> QueuedRun:
    return QueuedRun(id=name, namespace="a", source="noop", order=(1, 0.0, 0, name), **place)


async def submitted(manager: ExecutionManager, *names: str, **place: Any) -> None:
    for name in names:
        assert manager.submit(run(name, **place))
    await settled()
