"""Order of partitions around faults, the end of interrupted actions, and rates as their target sees them."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import aiohttp

from benchmarks.counter import Counter, Effect
from benchmarks.faults import Replicas, faults
from benchmarks.figures import owners
from benchmarks.figures.group import Group
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import WORK, Stage
from cluster.errors import ClusterError
from support.tcp_proxy import Wire

KEYS, EACH = 30, 8
PAUSE = 1.25
"""Between two arrivals of one key: those within one second are ordered by what the watch says of them."""
PAUSES = (2.0, 6.0, 10.0, 14.0)
FREEZE = 12.5
SETTINGS: Mapping[str, str] = {}
"""Settings of the operators; by default those of production."""
SETTLE_SECONDS = 240
LOOK_SECONDS = 0.5
AWAY = (ClusterError, aiohttp.ClientError, OSError)
"""How a request fails while the API server is away."""
INTERRUPTED_COUNT = 32
OWNER_SECONDS = 10.0
STARTS = 60
STALL = 4.0
VIOLATIONS = Figure("order_violations", "keys", Target(0))
INTERRUPTED = Figure("interrupted_p99_s", "s", Target(30))
EXCESS = Figure("rate_excess", "starts", Target(0))


def measure(stage: Stage) -> Iterator[Row]:
    """Serve keys around faults; then lose a holder while owners change; then stall the API server under a rate."""
    with Counter() as counter, Wire(stage.kubeconfig) as wire:
        replicas = Replicas(stage, wire, SETTINGS)
        yield VIOLATIONS.measured(stage.run(violations(counter, replicas)))
        yield INTERRUPTED.measured(
            stage.run(owners.interruption(counter, replicas, count=INTERRUPTED_COUNT, seconds=OWNER_SECONDS))
        )
        yield EXCESS.measured(stage.run(owners.rate_excess(counter, replicas, count=STARTS, stall_seconds=STALL)))
        stage.run(replicas.end())


async def violations(counter: Counter, replicas: Replicas) -> int:
    """Return the number of keys that were served out of the order of creation, in all rounds together."""
    stage, found = replicas.stage, 0
    for number, (name, fault) in enumerate(faults(PAUSES, FREEZE).items()):
        marks = {f"o{number}": "alone", f"o{number}p": "with parents"}
        begun = time.monotonic()
        if number:
            await replicas.complete()
        await one_round(stage, counter, marks, fault(replicas))
        for mark, kind in marks.items():
            disordered = out_of_order(counter.effects, mark)
            stage.say(f"{name}, {kind}: {disordered} of {KEYS} keys out of order")
            found += disordered
        stage.say(f"  {time.monotonic() - begun:.0f} s")
    return found


async def one_round(stage: Stage, counter: Counter, marks: Mapping[str, str], fault: Awaitable[None]) -> None:
    """Create actions with and without parents while a fault happens, and return when all have ended."""
    alone, parented = marks
    parents = [f"{parented}k{key}-parent" for key in range(KEYS)]
    for parent in parents:
        await persistently(stage, parent, {"executor": "approval", "parameters": {"prompt": "?"}})
    async with asyncio.TaskGroup() as group:
        for key in range(KEYS):
            group.create_task(arrivals(stage, counter, f"{alone}k{key}"))
            family = {"parentRef": {"kind": "TaskAction", "name": parents[key]}}
            group.create_task(arrivals(stage, counter, f"{parented}k{key}", **family))
        await asyncio.sleep(PAUSE)
        await fault
    deadline = time.monotonic() + SETTLE_SECONDS
    while await count_ended(stage, marks) < 2 * KEYS * EACH:
        if time.monotonic() > deadline:
            raise ClusterError(f"not all actions of {', '.join(marks)} have ended")
        await asyncio.sleep(LOOK_SECONDS)
    await stage.load.delete_all(WORK)


async def arrivals(stage: Stage, counter: Counter, key: str, **family: Any) -> None:
    """Create the actions of one key, one after the other."""
    for number in range(EACH):
        name = f"{key}-{number}"
        await persistently(stage, name, {**counter.once(name), "partitionKey": key, **family})
        await asyncio.sleep(PAUSE)


async def persistently(stage: Stage, name: str, spec: Mapping[str, Any]) -> None:
    """Create an action, also while the API server is away."""
    while True:
        try:
            await stage.load.create(WORK, name, spec)
        except AWAY as error:
            if "already exists" in str(error):
                return
            await asyncio.sleep(0.2)
        else:
            return


async def count_ended(stage: Stage, marks: Iterable[str]) -> int:
    """Return the number of actions of a round that have ended; 0 while the API server is away."""
    prefixes = tuple(f"{mark}k" for mark in marks)
    try:
        items = await stage.load.list(WORK)
    except AWAY:
        return 0
    return sum(
        "finishedAt" in item.get("status", {}) for item in items if item["metadata"]["name"].startswith(prefixes)
    )


def out_of_order(effects: Sequence[Effect], mark: str) -> int:
    """Count keys of a round that were not served in the order of creation."""
    keys: dict[str, list[int]] = defaultdict(list)
    for effect in sorted(effects, key=lambda effect: effect.at):
        key, _, number = effect.name.rpartition("-")
        if key.startswith(f"{mark}k"):
            keys[key].append(int(number))
    return sum(any(after < before for before, after in pairwise(visits)) for visits in keys.values())


GROUP = Group("order", (VIOLATIONS, INTERRUPTED, EXCESS), measure)
