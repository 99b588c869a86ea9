"""What a backlog of 100,000 actions costs: memory, and the time until a restarted operator works on it again."""

import time
from collections.abc import Iterator

from benchmarks.figures.group import Group
from benchmarks.figures.memory import WORKERS, fill
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import QUICK_STOP, Stage, memory, metric
from cluster.processes import wait_until

QUEUED = 100_000
TIMEOUT = 900
MEMORY = Figure("memory_mb_100k_queued", "MB", Target(600))
RESTART = Figure("restart_s_100k", "s", Target(30))
FIRST = Figure("restart_first_call_s_100k", "s")
RESTART_MEMORY = Figure("restart_memory_mb_100k", "MB")


def measure(stage: Stage) -> Iterator[Row]:
    """Queue the actions, read the memory, restart the operator, and wait until all of them are queued again."""
    with stage.operator(QUICK_STOP) as operator:
        before = memory(operator)
        fill(stage, operator, QUEUED, timeout=TIMEOUT)
        after = memory(operator)
        stage.say(f"  {before:.0f} MB at start, {after:.0f} MB with {QUEUED} queued actions; SIGTERM")
        operator.stop()
    yield MEMORY.measured(after - before)
    begun = time.monotonic()
    with stage.operator(QUICK_STOP, ready_seconds=TIMEOUT) as operator:
        stage.say(f"ready after {time.monotonic() - begun:.1f} s")
        wait_until(lambda: metric(operator, "workers_busy") > 0, timeout=TIMEOUT, what="a call", every=0.1)
        first = time.monotonic() - begun
        wait_until(
            lambda: metric(operator, "queue_depth") + metric(operator, "workers_busy") >= QUEUED + WORKERS,
            timeout=TIMEOUT,
            what=f"{QUEUED} actions to be queued again",
            every=0.1,
        )
        seconds = time.monotonic() - begun
        stage.say(f"first call after {first:.1f} s, everything queued after {seconds:.1f} s")
        yield RESTART.measured(seconds)
        yield FIRST.measured(first)
        yield RESTART_MEMORY.measured(memory(operator))


GROUP = Group("backlog", (MEMORY, RESTART, FIRST, RESTART_MEMORY), measure)
