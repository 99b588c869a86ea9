"""What the engine itself can do: the manager of queues and workers with runs that do nothing, without an API server."""

import asyncio
import gc
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from statistics import median

import uvloop

from benchmarks.figures.group import Group
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import Stage
from taskaction.core.clock import SystemClock
from taskaction.execution.manager import ExecutionManager
from taskaction.execution.runs import QueuedRun
from taskaction.runtime.process import GC_THRESHOLDS

WORKERS = 64
RUNS = 50_000
FEW, MANY = 1_000, 100_000
ROUNDS = 5
LONG_KEY, KEYS, RUNS_OF_A_KEY = 10_000, 100, 10
WORK_SECONDS = 0.002
RATE = Figure("engine_runs_per_s", "runs/s", Target(20_000, at_least=True))
GROWTH = Figure("engine_growth", "times", Target(1.3))
FAIRNESS = Figure("fairness", "times", Target(1.5))


class _Failing:
    """Observer that ends the measurement when a run fails."""

    def on_run_crashed(self, run_id: str, error: BaseException) -> None:
        """End the measurement: it has found a bug."""
        raise AssertionError(run_id) from error

    def on_queue_full(self, run_id: str) -> None:
        """Ignore it."""

    def on_run_admitted(self, run_id: str) -> None:
        """Ignore it."""

    def on_counts_changed(self) -> None:
        """Ignore it."""

    def on_rate_exhausted(self, source: str, until: datetime) -> None:
        """Ignore it."""

    def on_reservation_needed(self, source: str) -> None:
        """Ignore it."""


class Engine:
    """A manager whose runs end at once, or after a while; each that has ended may be followed by a new one."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.manager = ExecutionManager(
            workers_count=WORKERS, observer=_Failing(), clock=SystemClock(), jitter=lambda: 0.0
        )
        self.left = 0
        self.refill: Iterator[QueuedRun] = iter(())
        self._seconds = seconds
        self._done = asyncio.Event()
        self._counted: frozenset[str] = frozenset()

    async def _process(self, run_id: str) -> None:
        if self._seconds:
            await asyncio.sleep(self._seconds)
        self.manager.forget(run_id)
        following = next(self.refill, None)
        if following is not None:
            self.manager.submit(following)
        if not self._counted or run_id in self._counted:
            self.left -= 1
            if not self.left:
                self._done.set()

    async def seconds_for(self, runs: int, *, counted: frozenset[str] = frozenset()) -> float:
        """Give how long ``runs`` runs take, of those that are counted."""
        self.left, self._counted = runs, counted
        self._done.clear()
        begun = time.perf_counter()
        self.manager.start_processing_action_runs(self._process)
        await self._done.wait()
        return time.perf_counter() - begun


def runs(partitions: int) -> Iterator[QueuedRun]:
    """Give runs without end: every other one in one of ``partitions``, of ten namespaces with four sources each."""
    for number in count():
        yield QueuedRun(
            id=f"run-{number}",
            namespace=f"team-{number % 10}",
            source=f"team-{number % 10}/executor:{number % 4}",
            partition=f"key-{number % partitions}" if number % 2 else None,
            order=(1, float(number), number, f"run-{number}"),
        )


async def rate() -> float:
    """Give the runs per second from the submission to the end, of one burst."""
    engine, source = Engine(), runs(RUNS // 2)
    begun = time.perf_counter()
    for _ in range(RUNS):
        engine.manager.submit(next(source))
    await engine.seconds_for(RUNS)
    return RUNS / (time.perf_counter() - begun)


async def cost(queued: int) -> float:
    """Give the seconds per run while ``queued`` runs wait all the time, half of them in as many partitions."""
    engine, source = Engine(), runs(queued)
    for _ in range(queued):
        engine.manager.submit(next(source))
    engine.refill = source
    await engine.seconds_for(FEW)
    seconds = await engine.seconds_for(RUNS)
    await engine.manager.drain(0)
    return seconds / RUNS


async def time_of_keys(*, beside_a_long_one: bool) -> float:
    """Give the seconds that many short keys take."""
    engine = Engine(WORK_SECONDS)
    number = count()
    if beside_a_long_one:
        for _ in range(LONG_KEY):
            engine.manager.submit(in_key("long", next(number)))
    short = [in_key(f"key-{key}", next(number)) for _ in range(RUNS_OF_A_KEY) for key in range(KEYS)]
    for run in short:
        engine.manager.submit(run)
    seconds = await engine.seconds_for(len(short), counted=frozenset(run.id for run in short))
    await engine.manager.drain(0)
    return seconds


def in_key(key: str, number: int) -> QueuedRun:
    """Give a run of one source in a partition."""
    return QueuedRun(
        id=f"{key}/{number}", namespace="team", source="team/deploy", partition=key, order=(1, float(number), 0, key)
    )


def measure(stage: Stage) -> Iterator[Row]:
    """Measure in turns, and take the middle of each."""
    thresholds = gc.get_threshold()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rates = [runner.run(rate()) for _ in range(ROUNDS)]
            stage.say(f"runs/s of {RUNS} no-op runs: {', '.join(f'{one:.0f}' for one in rates)}")
            yield RATE.measured(median(rates))
            costs = [(runner.run(cost(FEW)), runner.run(cost(MANY))) for _ in range(ROUNDS)]
            told = ", ".join(f"{few * 1e6:.1f} and {many * 1e6:.1f}" for few, many in costs)
            stage.say(f"microseconds per run with {FEW} and {MANY} queued: {told}")
            yield GROWTH.measured(median(many / few for few, many in costs))
            times = [
                (runner.run(time_of_keys(beside_a_long_one=False)), runner.run(time_of_keys(beside_a_long_one=True)))
                for _ in range(ROUNDS)
            ]
            told = ", ".join(f"{alone * 1000:.0f} and {beside * 1000:.0f}" for alone, beside in times)
            stage.say(f"milliseconds of {KEYS} keys alone and beside one with {LONG_KEY} runs: {told}")
            yield FAIRNESS.measured(median(beside / alone for alone, beside in times))
    finally:
        gc.set_threshold(*thresholds)


GROUP = Group("engine", (RATE, GROWTH, FAIRNESS), measure)
