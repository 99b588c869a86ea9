"""How long a restart takes in a cluster with much to do and more that is done."""

import time
from collections.abc import Iterator

from benchmarks import past
from benchmarks.figures.group import Group
from benchmarks.figures.memory import QUEUED, TIMEOUT, WORKERS, fill
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import QUICK_STOP, Stage, memory, metric
from cluster.processes import POLL_SECONDS, wait_until

FINISHED = 50_000
RESTART = Figure("restart_s_10k", "s", Target(15))
MEMORY = Figure("restart_memory_mb_10k", "MB")


def measure(stage: Stage) -> Iterator[Row]:
    """Fill a cluster, end the operator by SIGTERM, and time the next one until it has queued all that is unfinished."""
    with stage.operator(QUICK_STOP) as operator:
        fill(stage, operator, QUEUED, timeout=TIMEOUT)
        stage.say("SIGTERM")
        operator.stop()
    stage.say(f"{FINISHED} finished actions")
    past.fill(stage, FINISHED)
    begun = time.monotonic()
    with stage.operator(QUICK_STOP) as operator:
        stage.say(f"ready after {time.monotonic() - begun:.1f} s")

        def queued() -> float:
            return sum(metric(operator, name) for name in ("queue_depth", "workers_busy", "actions_finished_total"))

        unfinished = QUEUED + WORKERS
        wait_until(
            lambda: queued() >= unfinished,
            timeout=TIMEOUT,
            what=f"{unfinished} actions to be queued again",
            every=POLL_SECONDS,
        )
        seconds = time.monotonic() - begun
        yield RESTART.measured(seconds)
        yield MEMORY.measured(memory(operator))


GROUP = Group("restart", (RESTART, MEMORY), measure)
