"""What actions cost that wait for a quota of their target: no worker, and next to no CPU."""

import time
from collections.abc import Iterator

from benchmarks.figures.group import Group
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import QUICK_STOP, WORK, Stage, cpu, metric
from cluster.errors import ClusterError
from local.operator_process import Operator

PARKED = 5_000
LIMITED = {"executor": "bench-limited"}
WINDOW_SECONDS = 60.0
TIMEOUT = 300
SHARE = Figure("parked_cpu_share", "of a core", Target(0.01))
IDLE = Figure("idle_cpu_share", "of a core")


def measure(stage: Stage) -> Iterator[Row]:
    """Have the operator do nothing, then have it wait for thousands."""
    with stage.operator(QUICK_STOP) as operator:
        stage.settle()
        idle = share(operator)
        stage.say(f"{PARKED} actions whose target's quota is used up; {idle:.2%} of a core without any")
        stage.run(stage.load.create_many(WORK, "limited", PARKED, LIMITED, say=stage.say))
        stage.wait(operator, "actions_parked", PARKED, timeout=TIMEOUT)
        stage.settle()
        if busy := metric(operator, "workers_busy"):
            raise ClusterError(f"{busy:.0f} workers are taken by actions that wait")
        yield SHARE.measured(share(operator))
        yield IDLE.measured(idle)


def share(operator: Operator) -> float:
    """Give the share of a core that the operator uses now."""
    before = cpu(operator)
    time.sleep(WINDOW_SECONDS)
    return (cpu(operator) - before) / WINDOW_SECONDS


GROUP = Group("parked", (SHARE, IDLE), measure)
