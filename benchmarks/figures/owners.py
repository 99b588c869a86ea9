"""What a lost holder and a stalled API server leave: how late actions end as interrupted, and how exact a rate is."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import combinations

import orjson

from benchmarks.counter import Counter, Effect
from benchmarks.faults import Replicas
from benchmarks.figures.latency import quantile
from benchmarks.load import ACTIONS, API, Collection
from benchmarks.stage import WORK
from benchmarks.watching import View
from cluster.errors import ClusterError

END_SECONDS = 240
LONG_SECONDS = 600.0
"""How long the target works for an action that is interrupted."""
REQUESTS, PER, BURST = 20, 10.0, 4
NETWORK_SECONDS = 0.05
"""What two calls may come closer together on their way to the target."""
PROVIDERS = Collection(API, "actionproviders", "")


class Ends:
    """When a watch showed the end of each interrupted action, and their error codes."""

    def __init__(self) -> None:
        """Create an empty record."""
        self.moments: dict[str, float] = {}
        self.codes: set[str] = set()

    def note(self, line: bytes) -> None:
        """Take one line of the watch."""
        item = orjson.loads(line)["object"]
        name, status = item["metadata"]["name"], item.get("status", {})
        if name.startswith("ik") and "finishedAt" in status and name not in self.moments:
            self.moments[name] = time.monotonic()
            self.codes.add(status.get("error", {}).get("code", status["phase"]))


async def interruption(counter: Counter, replicas: Replicas, *, count: int, seconds: float) -> float:
    """Kill the holder of running actions while owners change; return the seconds until 99 % were `Interrupted`."""
    load, ends, begun = replicas.stage.load, Ends(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(load.follow(View(ACTIONS.path(WORK)), ends.note, begun))
        await begun.wait()
        lost = await _lose_holder(counter, replicas, count)
        await replicas.succeed()
        while len(ends.moments) < count:
            if time.monotonic() > lost + END_SECONDS:
                raise ClusterError(f"{len(ends.moments)} of {count} interrupted actions have ended")
            await asyncio.sleep(seconds)
            await replicas.succeed()
        watcher.cancel()
    await load.delete_all(WORK)
    if ends.codes != {"Interrupted"}:
        raise ClusterError(f"interrupted actions have ended with {', '.join(sorted(ends.codes))}")
    return quantile([moment - lost for moment in ends.moments.values()], 0.99)


async def _lose_holder(counter: Counter, replicas: Replicas, count: int) -> float:
    """Kill a replica whose calls have all reached the target; return when."""
    before, counter.seconds = counter.seconds, LONG_SECONDS
    owner = await replicas.leave_one()
    for number in range(count):
        await replicas.stage.load.create(WORK, f"ik{number}", counter.once(f"ik-{number}"))
    deadline = time.monotonic() + END_SECONDS
    while sum(effect.name.startswith("ik-") for effect in counter.effects) < count:
        if time.monotonic() > deadline:
            raise ClusterError("not all calls have reached the target")
        await asyncio.sleep(0.1)
    counter.seconds = before
    lost = time.monotonic()
    await asyncio.to_thread(owner.program.end)
    return lost


async def rate_excess(counter: Counter, replicas: Replicas, *, count: int, stall_seconds: float) -> int:
    """Start actions under a rate while the API server stalls twice; return the starts that the target saw too many."""
    limits = {"rate": {"requests": REQUESTS, "per": f"{PER:g}s", "burst": BURST}}
    provider = {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "ActionProvider",
        "metadata": {"name": "limited"},
        "spec": {"executor": "http", "config": counter.once("{{ parameters.name }}")["parameters"], "limits": limits},
    }
    stage = replicas.stage
    await replicas.leave_one()
    await stage.load.post(PROVIDERS, WORK, provider)
    for number in range(count):
        parameters = {"name": f"rk-{number}"}
        ref = {"kind": "ActionProvider", "name": "limited"}
        await stage.load.create(WORK, f"rk{number}", {"providerRef": ref, "parameters": parameters})
    with ExitStack() as stalls:
        for _ in range(2):
            await asyncio.sleep(stall_seconds)
            stage.plane.pause_apiserver()
            stalls.callback(stage.plane.resume_apiserver)
            await asyncio.sleep(stall_seconds)
            stalls.close()
    deadline = time.monotonic() + END_SECONDS
    while len(moments := starts(counter.effects)) < count:
        if time.monotonic() > deadline:
            raise ClusterError(f"{len(moments)} of {count} actions have started")
        await asyncio.sleep(0.5)
    return excess(moments)


def starts(effects: Sequence[Effect]) -> list[float]:
    """Return when the target saw the actions of the limited provider."""
    return sorted(effect.at for effect in effects if effect.name.startswith("rk-"))


def excess(moments: Sequence[float]) -> int:
    """Return by how many starts the worst window exceeds what the rate allows."""
    found = 0
    for first, last in combinations(range(len(moments)), 2):
        allowed = BURST + (moments[last] - moments[first] + NETWORK_SECONDS) * REQUESTS / PER
        found = max(found, last - first + 1 - int(allowed))
    return found
