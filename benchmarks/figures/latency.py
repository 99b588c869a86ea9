"""How long an action takes from its creation until its end can be seen, at half of what the API server can take."""

import asyncio
import time
from collections.abc import Iterator
from statistics import median

from benchmarks.figures.group import Group
from benchmarks.figures.throughput import ceiling, warm_up
from benchmarks.load import NOOP, Load, action
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import WATCH_ONE, WORK, Stage

ROUNDS = 3
SECONDS = 10
CEILING_COUNT = 2000
TIMEOUT = 60
P50 = Figure("latency_p50_ms", "ms", Target(25))
P99 = Figure("latency_p99_ms", "ms", Target(150))


def measure(stage: Stage) -> Iterator[Row]:
    """Find the ceiling, create at half its pace whatever comes back, and do so again; take medians of the quantiles."""
    halves, longest = [], []
    with stage.operator(WATCH_ONE):
        end = warm_up(stage)
        for number in range(ROUNDS):
            rate = ceiling(stage, f"ceiling{number}", CEILING_COUNT, end) / 2
            latencies = stage.run(paced(stage.load, WORK, f"paced{number}", rate, SECONDS))
            halves.append(quantile(latencies, 0.5))
            longest.append(quantile(latencies, 0.99))
            text = f"p50 {halves[-1]:.1f} ms, p99 {longest[-1]:.1f} ms, longest {max(latencies):.1f} ms"
            stage.say(f"[{number + 1}/{ROUNDS}] {rate:.0f} actions/s for {SECONDS} s: {text}")
    yield P50.measured(median(halves))
    yield P99.measured(median(longest))


async def paced(
    load: Load, namespace: str, prefix: str, rate: float, seconds: float, end: bytes | None = None
) -> list[float]:
    """Return the milliseconds of each action, from the moment its creation was due until a watch shows its end.

    With `end` the load process writes the final status itself.
    """
    count = int(rate * seconds)
    due: dict[str, float] = {}
    async with load.finished(namespace) as seen, asyncio.TaskGroup() as group:
        begun = time.perf_counter()
        for number in range(count):
            moment = begun + number / rate
            if (ahead := moment - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            name = f"{prefix}-{number}"
            due[name] = moment
            group.create_task(load.complete(namespace, action(name, NOOP), end))
        await seen.reach(count, timeout=TIMEOUT)
    return [(seen.moments[name] - moment) * 1000 for name, moment in due.items()]


def quantile(values: list[float], share: float) -> float:
    """Give the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


GROUP = Group("latency", (P50, P99), measure)
