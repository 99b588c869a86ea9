"""The execution manager: slots for workers over the queue, drain and hand-back; knows ids and coroutines only."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from taskaction.execution.queue import QueuedRun, RunQueue

Process = Callable[[str], Awaitable[None]]
"""Carries one run as far as it goes now; whatever it raises ends that run's turn, never the manager."""


class Observer(Protocol):
    """Whoever wants to know how the manager does: logs and metrics."""

    def crashed(self, run_id: str, error: BaseException) -> None:
        """A run's turn ended with an error that nobody had foreseen."""


class ExecutionManager:
    """Gives queued runs to at most ``workers_count`` workers at a time.

    A worker is a slot and not a standing task: each turn is a task of its own, so nothing that a run does, not even
    cancelling itself, can cost the manager a worker (Ocean defect D7), and no wake-up can be spurious or lost.
    """

    def __init__(self, process: Process, *, workers_count: int, observer: Observer) -> None:
        self._process = process
        self._workers_count = workers_count
        self._observer = observer
        self._queue = RunQueue()
        self._turns: dict[str, asyncio.Task[None]] = {}
        self._open = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def queued(self) -> int:
        """How many runs wait for a worker."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """How many workers are taken."""
        return len(self._turns)

    @property
    def lanes(self) -> int:
        """How many lanes have something to do or to hold."""
        return self._queue.lanes

    def start_processing_action_runs(self) -> None:
        """Begin to give out runs; before it they only collect, so that order is known before the first start."""
        self._open = True
        self._pump()

    def submit(self, run: QueuedRun) -> bool:
        """Let ``run`` wait for a worker; False for one that waits or runs already."""
        if not self._queue.put(run):
            return False
        self._pump()
        return True

    def hold(self, run: QueuedRun) -> None:
        """Keep ``run``'s partition closed although it needs no worker now; it waits for none from here on."""
        self._queue.hold(run)
        self._pump()

    def forget(self, run_id: str) -> None:
        """Drop a run that has ended or is held back, and open its partition."""
        self._queue.forget(run_id)
        self._pump()

    async def drain(self, seconds: float) -> None:
        """Give out nothing more, and let running turns end within ``seconds``; the rest is cancelled and waited for."""
        self._open = False
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            turns = list(self._turns.values())
            for turn in turns:
                turn.cancel()
            await asyncio.gather(*turns, return_exceptions=True)

    def _pump(self) -> None:
        while self._open and len(self._turns) < self._workers_count:
            run = self._queue.take()
            if run is None:
                return
            self._idle.clear()
            turn = asyncio.create_task(self._turn(run.id), name=f"run {run.id}")
            self._turns[run.id] = turn

    async def _turn(self, run_id: str) -> None:
        try:
            await self._process(run_id)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - no run may take the manager down
            self._observer.crashed(run_id, error)
        finally:
            del self._turns[run_id]
            self._queue.back(run_id)
            if not self._turns:
                self._idle.set()
            self._pump()
