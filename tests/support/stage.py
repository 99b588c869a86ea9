"""Runs that go on cue, for tests of workers: a test decides when and how each turn ends."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from taskaction.execution.manager import ExecutionManager
from taskaction.execution.runs import QueuedRun
from taskaction.testing.clock import FakeClock, settle


@dataclass
class Stage:
    """What the runs do: each turn waits for its cue, and what it is given decides how it ends."""

    started: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    crashes: list[tuple[str, BaseException]] = field(default_factory=list)
    cues: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    clock: FakeClock = field(default_factory=FakeClock)
    told: list[tuple[str, str]] = field(default_factory=list)
    idle: set[str] = field(default_factory=set)
    """Runs whose turns call nothing."""
    managers: list[ExecutionManager] = field(default_factory=list)

    async def process(self, run_id: str) -> None:
        if run_id not in self.idle:
            await self.managers[-1].take_token(run_id)
        self.started.append(run_id)
        cue = self.cues[run_id] = asyncio.get_running_loop().create_future()
        try:
            await cue
        except asyncio.CancelledError:
            self.cancelled.append(run_id)
            raise
        self.ended.append(run_id)

    def on_run_crashed(self, run_id: str, error: BaseException) -> None:
        self.crashes.append((run_id, error))

    def on_queue_full(self, run_id: str) -> None:
        self.told.append(("crowded", run_id))

    def on_run_admitted(self, run_id: str) -> None:
        self.told.append(("admitted", run_id))

    def on_rate_exhausted(self, source: str, until: datetime) -> None:
        self.told.append(("paced", f"{source} {until:%H:%M:%S}"))

    def on_counts_changed(self) -> None:
        pass

    def on_reservation_needed(self, source: str) -> None:
        self.told.append(("unrecorded", source))

    async def let(self, *names: str) -> None:
        """Let turns end well."""
        for name in names:
            self.cues.pop(name).set_result(None)
        await settle()

    async def fail(self, name: str, error: BaseException) -> None:
        self.cues.pop(name).set_exception(error)
        await settle()

    def manager(self, *, workers: int = 2, begun: bool = True, **settings: Any) -> ExecutionManager:
        manager = ExecutionManager(
            workers_count=workers, observer=self, clock=self.clock, jitter=lambda: 0.0, **settings
        )
        self.managers.append(manager)
        if begun:
            manager.start_processing_action_runs(self.process)
        return manager

    async def close(self) -> None:
        """Leave no turn behind: its end would start the next one on a loop that is closed."""
        for manager in self.managers:
            await manager.drain(0)

    @contextmanager
    def timed(self, manager: ExecutionManager) -> Iterator[None]:
        """Have the manager's timers served."""
        timers = asyncio.get_running_loop().create_task(manager.run_timers(raise_failure))
        try:
            yield
        finally:
            timers.cancel()


def run(name: str, **place: Any) -> QueuedRun:
    return QueuedRun(**{"id": name, "namespace": "a", "source": "noop", "order": (1, 0.0, 0, name)} | place)


async def submitted(manager: ExecutionManager, *names: str, **place: Any) -> None:
    for name in names:
        assert manager.submit(run(name, **place))
    await settle()


def raise_failure(what: str, error: BaseException) -> None:
    """Let nothing that a timer raises go unnoticed in a test."""
    raise AssertionError(what) from error
