"""How speed and cost change with the number of namespaces that share the operator; no target, but a trend shows."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.figures.group import Group
from benchmarks.figures.throughput import TIMEOUT
from benchmarks.load import ACTIONS, NOOP, Collection, action
from benchmarks.metrics import total
from benchmarks.report import Figure, Row
from benchmarks.stage import Stage, cpu
from local.operator_process import Operator

COUNT = 3000
WARM_UP = 300
SIZES = (1, 10, 100)
RATE = {size: Figure(f"namespaces_{size}_per_second", "actions/s") for size in SIZES}
CPU = {size: Figure(f"namespaces_{size}_cpu_ms", "ms") for size in SIZES}
APISERVER = {size: Figure(f"namespaces_{size}_apiserver_cpu_ms", "ms") for size in SIZES}
NAMESPACES = Collection("/api/v1", "namespaces", "")
CLUSTER = ""
"""The path of objects of all namespaces, and of those that belong to none."""


def measure(stage: Stage) -> Iterator[Row]:
    """Spread the same number of actions over ever more namespaces."""
    names = [f"team-{number}" for number in range(max(SIZES))]
    for name in names:
        stage.run(stage.load.post(NAMESPACES, CLUSTER, _namespace(name)))
    with stage.operator() as operator:
        stage.run(spread(stage, "warm", WARM_UP, names))
        for size in SIZES:
            rate, own, shared = _round(stage, operator, f"over{size}", names[:size])
            stage.say(f"{size} namespaces: {rate:.0f} actions/s, {own:.2f} ms CPU per action, API server {shared:.2f}")
            yield RATE[size].measured(rate)
            yield CPU[size].measured(own)
            yield APISERVER[size].measured(shared)


async def spread(stage: Stage, prefix: str, count: int, namespaces: list[str]) -> float:
    """Return the seconds from the first creation until the last action is seen finished; namespaces take turns."""

    async def one(number: int) -> None:
        await stage.load.post(ACTIONS, namespaces[number % len(namespaces)], action(f"{prefix}-{number}", NOOP))

    async with stage.load.finished(CLUSTER) as seen:
        begun = time.perf_counter()
        await stage.load.many(count, one)
        return await seen.reach(count, timeout=TIMEOUT) - begun


def _round(stage: Stage, operator: Operator, prefix: str, namespaces: list[str]) -> tuple[float, float, float]:
    """Return actions per second, and the CPU milliseconds per action of the operator and of the API server."""
    used, shared = cpu(operator), _apiserver_cpu(stage)
    seconds = stage.run(spread(stage, prefix, COUNT, namespaces))
    return (
        COUNT / seconds,
        (cpu(operator) - used) * 1000 / COUNT,
        (_apiserver_cpu(stage) - shared) * 1000 / COUNT,
    )


def _namespace(name: str) -> Mapping[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _apiserver_cpu(stage: Stage) -> float:
    return total(stage.plane.apiserver_metrics(), "process_cpu_seconds_total")


GROUP = Group(
    "namespaces", tuple(figure for size in SIZES for figure in (RATE[size], CPU[size], APISERVER[size])), measure
)
