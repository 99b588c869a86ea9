"""What a long queue costs the operator in memory."""

from collections.abc import Iterator

from benchmarks.figures.group import Group
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import QUICK_STOP, WORK, Stage, memory
from local.operator_process import Operator

QUEUED = 10_000
WORKERS = 64
HOLD = {"executor": "bench-hold"}
TIMEOUT = 180
MEMORY = Figure("memory_mb_10k_queued", "MB", Target(200))


def measure(stage: Stage) -> Iterator[Row]:
    """Fill the workers with actions that do not end, then the queue behind them."""
    with stage.operator(QUICK_STOP) as operator:
        before = memory(operator)
        fill(stage, operator, QUEUED, timeout=TIMEOUT)
        after = memory(operator)
    stage.say(f"  {before:.0f} MB at start, {after:.0f} MB with {QUEUED} queued actions")
    yield MEMORY.measured(after - before)


def fill(stage: Stage, operator: Operator, queued: int, *, timeout: float) -> None:
    """Return when every worker is taken and the queue has its length."""
    stage.say(f"{WORKERS} actions that keep their workers, {queued} behind them")
    stage.run(stage.load.create_many(WORK, "hold", WORKERS, HOLD))
    stage.wait(operator, "workers_busy", WORKERS, timeout=timeout)
    stage.run(stage.load.create_many(WORK, "queued", queued, HOLD, say=stage.say))
    stage.wait(operator, "queue_depth", queued, timeout=timeout)


GROUP = Group("memory", (MEMORY,), measure)
