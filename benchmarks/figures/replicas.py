"""What more replicas bring where executors wait, and what they cost where there is nothing to wait for."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.figures.group import Group
from benchmarks.load import NOOP, Collection
from benchmarks.metrics import total
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import QUICK_STOP, WORK, Stage, cpu, metric
from cluster.processes import wait_until
from local.operator_process import Operator

WAIT = {"executor": "bench-wait"}
SETTINGS = {**QUICK_STOP, "TASKACTION_WORKERS_COUNT": "8", "TASKACTION_SHARDS": "48"}
"""Few workers, so that waiting is what limits; many shards, so that chance spreads the load evenly."""
SHARDS = 48
COUNTS = {1: 320, 2: 640, 3: 960}
NOOPS = 3000
TIMEOUT = 180
STEADY = (0.1, 0.6)
"""Between these shares of the actions finished no replica is without work."""
WAITING = {replicas: Figure(f"replicas_{replicas}_wait_per_second", "actions/s") for replicas in COUNTS}
NOOPING = {replicas: Figure(f"replicas_{replicas}_noop_per_second", "actions/s") for replicas in COUNTS}
GAIN = Figure("replicas_3_wait_gain", "times", Target(2.4, at_least=True))
COST = Figure("replicas_3_noop_share", "share", Target(0.9, at_least=True))
OVERHEAD = Figure("replica_overhead_ms", "ms", Target(0.1))
APISERVER = Figure("replica_apiserver_overhead_ms", "ms", Target(0.1))
PROVIDERS = Collection("/apis/taskaction.dev/v1alpha1", "actionproviders", "")
PROVIDER = "bench-one"
IDLE_SECONDS = 5.0


def measure(stage: Stage) -> Iterator[Row]:
    """Run the same two kinds of load with one, two and three replicas."""
    waits: dict[int, float] = {}
    noops: dict[int, float] = {}
    costs: dict[int, tuple[float, float]] = {}
    stage.run(stage.load.post(PROVIDERS, WORK, _provider()))
    for replicas, count in COUNTS.items():
        with ExitStack() as exits:
            operators = [stage.start(SETTINGS) for _ in range(replicas)]
            for operator in operators:
                exits.callback(operator.program.end, grace=5)
            wait_until(
                partial(_hold, operators, SHARDS // replicas),
                timeout=TIMEOUT,
                what="an even share",
            )
            _wait_until_reduced(operators)
            waits[replicas] = stage.run(rate(stage, f"wait{replicas}", count, WAIT))
            noops[replicas] = stage.run(rate(stage, f"noop{replicas}", NOOPS, NOOP))
            costs[replicas] = overhead(stage, operators)
        stage.say(f"{replicas} replicas: {waits[replicas]:.1f} that wait, {noops[replicas]:.0f} noop actions/s")
        yield WAITING[replicas].measured(waits[replicas])
        yield NOOPING[replicas].measured(noops[replicas])
    yield GAIN.measured(waits[3] / waits[1])
    yield COST.measured(noops[3] / noops[1])
    (_, alone), (own, shared) = costs[1], costs[3]
    yield OVERHEAD.measured(own)
    yield APISERVER.measured((shared - alone) / 2)


def overhead(stage: Stage, operators: list[Operator]) -> tuple[float, float]:
    """Give the CPU per action, in ms, of a replica that owns none of them, and of the API server.

    What both use while nothing happens is not counted.
    """
    idle, begun = _used(stage, operators), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    before, loaded = _used(stage, operators), time.perf_counter()
    stage.run(rate(stage, f"one{len(operators)}", NOOPS, {"providerRef": {"name": PROVIDER}}))
    after, ended = _used(stage, operators), time.perf_counter()
    share = (ended - loaded) / (loaded - begun)
    spent = [
        (end - start - (start - first) * share) * 1000 / NOOPS
        for first, start, end in zip(idle, before, after, strict=True)
    ]
    others = sorted(spent[:-1])[:-1] or [0.0]
    return sum(others) / len(others), spent[-1]


async def rate(stage: Stage, prefix: str, count: int, spec: Mapping[str, Any]) -> float:
    """Give the actions per second that end while everybody has something to do."""
    async with stage.load.finished(WORK) as seen:
        begun = time.perf_counter()
        await stage.load.create_many(WORK, prefix, count, spec)
        await seen.reach(count, timeout=TIMEOUT)
        moments = [begun, *sorted(seen.moments.values())]
    first, last = (round(share * count) for share in STEADY)
    return (last - first) / (moments[last] - moments[first])


def _hold(operators: list[Operator], shards: int) -> bool:
    """Whether each operator holds that many shards."""
    return all(metric(operator, "shards_held") == shards for operator in operators)


def _wait_until_reduced(operators: list[Operator]) -> None:
    """Return when no replica receives what only others need; one alone needs everything."""
    wait_until(
        lambda: len(operators) == 1 or all(metric(one, "watch_reduced") == 1 for one in operators),
        timeout=TIMEOUT,
        what="a reduced watch",
    )


def _used(stage: Stage, operators: list[Operator]) -> list[float]:
    """Give the CPU seconds of each operator so far, and those of the API server."""
    return [*map(cpu, operators), total(stage.plane.apiserver_metrics(), "process_cpu_seconds_total")]


def _provider() -> Mapping[str, Any]:
    return {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "ActionProvider",
        "metadata": {"name": PROVIDER},
        "spec": {"executor": "noop"},
    }


GROUP = Group("replicas", (*WAITING.values(), *NOOPING.values(), GAIN, COST, OVERHEAD, APISERVER), measure)
