"""How much of what the API server can take the operator makes use of, and what it needs for that."""

import time
from collections.abc import Iterator
from statistics import median

import orjson

from benchmarks.figures.group import Group
from benchmarks.load import NOOP, Load
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import RAW, WATCH_ONE, WORK, Stage, cpu
from local.operator_process import Operator

COUNT = 4000
WARM_UP = 500
TIMEOUT = 180
ORDER = "ABABA"
"""A is the ceiling, B the operator: what changes on the machine meanwhile meets both."""
CEILING = Figure("ceiling_per_second", "actions/s")
RATE = Figure("noop_per_second", "actions/s")
SHARE = Figure("noop_share_of_ceiling", "share", Target(0.75, at_least=True))
CPU = Figure("operator_cpu_ms_per_action", "ms", Target(1.7))


def measure(stage: Stage) -> Iterator[Row]:
    """Alternate between load process and operator over the same connections, and take medians."""
    with stage.operator(WATCH_ONE) as operator:
        end = warm_up(stage)
        ceilings, rates, costs = [], [], []
        for number, kind in enumerate(ORDER):
            name = f"run{number}"
            if kind == "A":
                ceilings.append(ceiling(stage, name, COUNT, end))
                stage.say(f"[{number + 1}/{len(ORDER)}] ceiling: {ceilings[-1]:.0f} actions/s")
            else:
                rate, cost = by_operator(stage, operator, name, COUNT)
                rates.append(rate)
                costs.append(cost)
                stage.say(f"[{number + 1}/{len(ORDER)}] operator: {rate:.0f} actions/s, {cost:.2f} ms CPU per action")
    yield CEILING.measured(median(ceilings))
    yield RATE.measured(median(rates))
    yield SHARE.measured(median(rates) / median(ceilings))
    yield CPU.measured(median(costs))


def warm_up(stage: Stage) -> bytes:
    """Have caches filled and connections open before anything is measured; give what the operator writes at an end."""
    stage.say(f"warming up with {WARM_UP} actions each")
    stage.run(burst(stage.load, WORK, "warm", WARM_UP))
    end = orjson.dumps({"status": stage.run(stage.load.get(WORK, "warm-0"))["status"]})
    stage.run(burst(stage.load, RAW, "warm", WARM_UP, end))
    return end


def ceiling(stage: Stage, prefix: str, count: int, end: bytes) -> float:
    """Give the actions per second that the load process creates and finishes by itself, by the very same writes."""
    return count / stage.run(burst(stage.load, RAW, prefix, count, end))


async def burst(load: Load, namespace: str, prefix: str, count: int, end: bytes | None = None) -> float:
    """Give the seconds from the first creation until the last action is seen finished, whoever finishes it."""
    async with load.finished(namespace) as seen:
        begun = time.perf_counter()
        await load.create_many(namespace, prefix, count, NOOP, end=end)
        return await seen.reach(count, timeout=TIMEOUT) - begun


def by_operator(stage: Stage, operator: Operator, prefix: str, count: int) -> tuple[float, float]:
    """Give actions per second, and the operator's CPU milliseconds per action."""
    used = cpu(operator)
    seconds = stage.run(burst(stage.load, WORK, prefix, count))
    return count / seconds, (cpu(operator) - used) * 1000 / count


GROUP = Group("throughput", (CEILING, RATE, SHARE, CPU), measure)
