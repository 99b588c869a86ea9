"""What an attacking namespace costs its neighbour: the latency that the operator adds, and the rate that is left.

Both are ratios of rounds with the attack to rounds without, alternating on one operator. The attack is a backlog of
actions that exist before the round and all may start when it begins, each with the highest priority.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.figures.group import Group
from benchmarks.figures.latency import quantile
from benchmarks.load import ACTIONS, NOOP, Collection, Load
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import RAW, WORK, Stage
from benchmarks.watching import View

ROUNDS = 5
PER_SECOND = 10
SECONDS = 10.0
BACKLOG = 3000
SATURATION = 1500
WARM_UP = 200
TIMEOUT = 180
PROVIDERS = Collection("/apis/taskaction.dev/v1alpha1", "actionproviders", "")
P99_RATIO = Figure("neighbour_p99_ratio", "times", Target(3))
SHARE = Figure("neighbour_share", "share", Target(0.4, at_least=True))


@dataclass
class Sightings:
    """When a bare watch first showed each action, and when it showed its end.

    Attributes:
        sent: when each creation was sent; it counts for an action that was first seen at its end, after a gap.
    """

    sent: dict[str, float] = field(default_factory=dict)
    created: dict[str, float] = field(default_factory=dict)
    finished: dict[str, float] = field(default_factory=dict)

    def note(self, line: bytes) -> None:
        """Take one line of the watch."""
        kind, name = line[9:20], line.partition(b'"name":"')[2].partition(b'"')[0].decode()
        has_ended = b'"phase":"Succeeded"' in line
        if kind.startswith(b"ADDED") and name in self.sent:
            self.created.setdefault(name, self.sent[name] if has_ended else time.perf_counter())
        if name in self.created and has_ended:
            self.finished.setdefault(name, time.perf_counter())

    def latencies(self) -> list[float]:
        """Return the milliseconds from the first sight of each action to the sight of its end."""
        return [(end - self.created[name]) * 1000 for name, end in self.finished.items()]


def measure(stage: Stage) -> Iterator[Row]:
    """Alternate rounds without and with the attack; take medians of both, and their ratio."""
    added: dict[bool, list[float]] = {False: [], True: []}
    rates: dict[bool, list[float]] = {False: [], True: []}
    with stage.operator():
        stage.run(stage.load.create_many(WORK, "warm", WARM_UP, NOOP))
        for number in range(2 * ROUNDS):
            attacked, name = number % 2 == 1, f"round{number}"
            added[attacked].append(quantile(stage.run(_with_attack(stage.load, name, attacked, paced)), 0.99))
            rates[attacked].append(stage.run(_with_attack(stage.load, f"{name}-full", attacked, saturated)))
            stage.say(
                f"[{number + 1}/{2 * ROUNDS}] {'attacked' if attacked else 'alone'}: p99 {added[attacked][-1]:.1f} ms, "
                f"{rates[attacked][-1]:.0f} actions/s"
            )
    yield P99_RATIO.measured(median(added[True]) / median(added[False]))
    yield SHARE.measured(median(rates[True]) / median(rates[False]))


async def _with_attack(load: Load, name: str, attacked: bool, neighbour: Any) -> Any:  # noqa: FBT001 - the round's kind
    """Let the backlog of the attacker begin, then do what the neighbour does; return when both are over."""
    if not attacked:
        return await neighbour(load, name)
    spec = {"providerRef": {"name": name}, "priority": 1000}
    await load.create_many(RAW, name, BACKLOG, spec)
    async with load.finished(RAW) as seen:
        await load.post(PROVIDERS, RAW, _provider(name))
        result = await neighbour(load, name)
        await seen.reach(BACKLOG, timeout=TIMEOUT)
    return result


def _provider(name: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "ActionProvider",
        "metadata": {"name": name},
        "spec": {"executor": "noop"},
    }


async def paced(load: Load, name: str) -> list[float]:
    """Create actions at a steady pace, and return how long each took in the view of a bare watch."""
    seen, begun, count = Sightings(), asyncio.Event(), int(PER_SECOND * SECONDS)
    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(load.follow(View(ACTIONS.path(WORK)), seen.note, begun))
        await begun.wait()
        start = time.perf_counter()
        for number in range(count):
            await asyncio.sleep(max(0.0, start + number / PER_SECOND - time.perf_counter()))
            seen.sent[f"{name}-{number}"] = time.perf_counter()
            await load.create(WORK, f"{name}-{number}", NOOP)
        async with asyncio.timeout(TIMEOUT):
            while len(seen.finished) < count:  # noqa: ASYNC110 - the watch says when each was seen
                await asyncio.sleep(0.05)
        watcher.cancel()
    return seen.latencies()


async def saturated(load: Load, name: str) -> float:
    """Create actions as fast as the connections allow, and return how many finish in a second."""
    async with load.finished(WORK) as seen:
        begun = time.perf_counter()
        await load.create_many(WORK, name, SATURATION, NOOP)
        return SATURATION / (await seen.reach(SATURATION, timeout=TIMEOUT) - begun)


GROUP = Group("neighbours", (P99_RATIO, SHARE), measure)
