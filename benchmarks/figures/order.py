"""Order of partitions around faults, the end of interrupted actions, and rates as their target sees them."""

import asyncio
import signal
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import combinations, pairwise
from typing import Any

import aiohttp

from benchmarks.counter import Counter, Effect
from benchmarks.figures.group import Group
from benchmarks.load import API, Collection
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import WORK, Stage
from cluster.errors import ClusterError
from local.operator_process import Operator
from support.tcp_proxy import Wire

KEYS, EACH = 30, 8
PAUSE = 1.25
"""Between two arrivals of one key: those within one second are ordered by what the watch says of them."""
PAUSES = (2.0, 6.0, 10.0, 14.0)
WAKE_SECONDS = 2.0
FREEZE = 12.5
PARENTED = (False, True)
SETTLE_SECONDS = 240
AWAY = (ClusterError, aiohttp.ClientError, OSError)
"""How a request fails while the API server is away."""
INTERRUPTED_COUNT = 32
OWNER_SECONDS = 10.0
STARTS = 60
STALL = 4.0
REQUESTS, PER, BURST = 20, 10.0, 4
NETWORK_SECONDS = 0.05
"""What two calls may come closer together on their way to the target."""
PROVIDERS = Collection(API, "actionproviders", "")
VIOLATIONS = Figure("order_violations", "keys", Target(0))
INTERRUPTED = Figure("interrupted_p99_s", "s", Target(30))
EXCESS = Figure("rate_excess", "starts", Target(0))


@dataclass
class Replicas:
    """The operators that run, and the wire of the first."""

    stage: Stage
    wire: Wire
    running: list[Operator] = field(default_factory=list)

    async def start(self) -> None:
        """Start one that reaches the API server by the wire, and another one directly."""
        path = self.wire.write_kubeconfig(self.stage.kubeconfig.with_name("wired.kubeconfig"))
        self.running.append(await asyncio.to_thread(self.stage.start, kubeconfig=path))
        self.running.append(await asyncio.to_thread(self.stage.start))

    async def end(self) -> None:
        """End all gently."""
        while self.running:
            await asyncio.to_thread(self.running.pop().program.end, grace=30)


def measure(stage: Stage) -> Iterator[Row]:
    """Serve keys around faults; then lose a holder while owners change; then stall the API server under a rate."""
    with Counter() as counter, Wire(stage.kubeconfig) as wire:
        yield VIOLATIONS.measured(stage.run(violations(stage, counter, Replicas(stage, wire))))
        yield INTERRUPTED.measured(stage.run(interruption(stage, counter)))
        yield EXCESS.measured(stage.run(rate_excess(stage, counter)))


# -- order --------------------------------------------------------------------------------------------------------


async def violations(stage: Stage, counter: Counter, replicas: Replicas) -> int:
    """Give the number of keys that were served out of the order of creation, in all rounds together."""
    found = 0
    for parented in PARENTED:
        for number, (name, fault) in enumerate(faults().items()):
            mark = f"o{number}{'p' if parented else ''}"
            if name != "start":
                await replicas.start()
            await one_round(stage, counter, mark, fault(replicas), parented=parented)
            await replicas.end()
            disordered = out_of_order(counter.effects, mark)
            stage.say(f"{name}{', with parents' if parented else ''}: {disordered} of {KEYS} keys out of order")
            found += disordered
    return found


def faults() -> Mapping[str, Callable[[Replicas], Awaitable[None]]]:
    """Give what happens to the replicas while the actions of a round are created."""
    return {
        **{f"pause of {seconds:g} s": partial(pause, seconds=seconds) for seconds in PAUSES},
        "network freeze": freeze,
        "start": Replicas.start,
        "take-over": take_over,
        "restart of the API server": restart,
    }


async def pause(replicas: Replicas, seconds: float) -> None:
    """Stop every replica for a while."""
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for operator in replicas.running:
            operator.program.signal(number)
        await asyncio.sleep(seconds if number is signal.SIGSTOP else WAKE_SECONDS)
    ended = [operator for operator in replicas.running if not operator.program.is_running()]
    for operator in ended:  # its watchdog found that it had slept for longer than its Leases last
        replicas.running.remove(operator)
        replicas.running.append(await asyncio.to_thread(replicas.stage.start))


async def freeze(replicas: Replicas) -> None:
    """Let no byte through between the first replica and the API server for a while."""
    replicas.wire.cut()
    await asyncio.sleep(FREEZE)
    replicas.wire.mend()


async def take_over(replicas: Replicas) -> None:
    """Kill the first replica."""
    await asyncio.to_thread(replicas.running.pop(0).program.end)


async def restart(replicas: Replicas) -> None:
    """Kill the API server, and start it again."""
    await asyncio.to_thread(replicas.stage.plane.restart_apiserver)


async def one_round(stage: Stage, counter: Counter, mark: str, fault: Awaitable[None], *, parented: bool) -> None:
    """Create the actions of all keys while a fault happens, and return when all have ended."""
    parents = [f"{mark}k{key}-parent" for key in range(KEYS)] if parented else []
    for parent in parents:
        await persistently(stage, parent, {"executor": "approval", "parameters": {"prompt": "?"}})
    async with asyncio.TaskGroup() as group:
        for key in range(KEYS):
            group.create_task(arrivals(stage, counter, f"{mark}k{key}", parented=parented))
        await asyncio.sleep(PAUSE)
        await fault
    deadline = time.monotonic() + SETTLE_SECONDS
    while sum("finishedAt" in item.get("status", {}) for item in await items(stage, mark)) < KEYS * EACH:
        if time.monotonic() > deadline:
            raise ClusterError(f"not all actions of {mark} have ended")
        await asyncio.sleep(1.0)
    for parent in parents:
        await stage.load.delete(WORK, parent)


async def arrivals(stage: Stage, counter: Counter, key: str, *, parented: bool) -> None:
    """Create the actions of one key, one after the other."""
    family = {"parentRef": {"kind": "TaskAction", "name": f"{key}-parent"}} if parented else {}
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


async def items(stage: Stage, mark: str) -> list[dict[str, Any]]:
    """Give the actions of a round; none while the API server is away."""
    try:
        found = await stage.load.list(WORK)
    except AWAY:
        return []
    return [item for item in found if item["metadata"]["name"].startswith(f"{mark}k")]


def out_of_order(effects: Sequence[Effect], mark: str) -> int:
    """Count keys of a round that were not served in the order of creation."""
    keys: dict[str, list[int]] = defaultdict(list)
    for effect in sorted(effects, key=lambda effect: effect.at):
        key, _, number = effect.name.rpartition("-")
        if key.startswith(f"{mark}k"):
            keys[key].append(int(number))
    return sum(any(after < before for before, after in pairwise(visits)) for visits in keys.values())


# -- interrupted actions ------------------------------------------------------------------------------------------


async def interruption(stage: Stage, counter: Counter) -> float:
    """Kill the holder of running actions while owners change; give the seconds until 99 % were `Interrupted`."""
    before, counter.seconds = counter.seconds, 600.0
    owner = await asyncio.to_thread(stage.start)
    for number in range(INTERRUPTED_COUNT):
        await stage.load.create(WORK, f"ik{number}", counter.once(f"ik-{number}"))
    while sum(effect.name.startswith("ik-") for effect in counter.effects) < INTERRUPTED_COUNT:  # noqa: ASYNC110 - a thread
        await asyncio.sleep(0.2)
    counter.seconds = before
    lost = time.time()
    await asyncio.to_thread(owner.program.end)
    owner = await asyncio.to_thread(stage.start)
    while not all("finishedAt" in item["status"] for item in await items(stage, "i")):
        if time.time() > lost + SETTLE_SECONDS:
            raise ClusterError("interrupted actions do not end")
        await asyncio.sleep(OWNER_SECONDS)
        following = await asyncio.to_thread(stage.start)
        await asyncio.to_thread(owner.program.end, grace=30)
        owner = following
    await asyncio.to_thread(owner.program.end, grace=30)
    ends = sorted(
        datetime.fromisoformat(item["status"]["finishedAt"]).timestamp() - lost for item in await items(stage, "i")
    )
    return ends[int(0.99 * (len(ends) - 1))]


# -- rates --------------------------------------------------------------------------------------------------------


async def rate_excess(stage: Stage, counter: Counter) -> int:
    """Start actions under a rate while the API server stalls twice; give the starts that the target saw too many."""
    limits = {"rate": {"requests": REQUESTS, "per": f"{PER:g}s", "burst": BURST}}
    provider = {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "ActionProvider",
        "metadata": {"name": "limited"},
        "spec": {"executor": "http", "config": counter.once("{{ parameters.name }}")["parameters"], "limits": limits},
    }
    await stage.load.post(PROVIDERS, WORK, provider)
    operator = await asyncio.to_thread(stage.start)
    for number in range(STARTS):
        parameters = {"name": f"rk-{number}"}
        ref = {"kind": "ActionProvider", "name": "limited"}
        await stage.load.create(WORK, f"rk{number}", {"providerRef": ref, "parameters": parameters})
    with ExitStack() as stalls:
        for _ in range(2):
            await asyncio.sleep(STALL)
            stage.plane.pause_apiserver()
            stalls.callback(stage.plane.resume_apiserver)
            await asyncio.sleep(STALL)
            stalls.close()
    deadline = time.monotonic() + SETTLE_SECONDS
    while len(moments := starts(counter.effects)) < STARTS:
        if time.monotonic() > deadline:
            raise ClusterError(f"{len(moments)} of {STARTS} actions have started")
        await asyncio.sleep(0.5)
    await asyncio.to_thread(operator.program.end, grace=30)
    return excess(moments)


def starts(effects: Sequence[Effect]) -> list[float]:
    """Give when the target saw the actions of the limited provider."""
    return sorted(effect.at for effect in effects if effect.name.startswith("rk-"))


def excess(moments: Sequence[float]) -> int:
    """Give by how many starts the worst window exceeds what the rate allows."""
    found = 0
    for first, last in combinations(range(len(moments)), 2):
        allowed = BURST + (moments[last] - moments[first] + NETWORK_SECONDS) * REQUESTS / PER
        found = max(found, last - first + 1 - int(allowed))
    return found


GROUP = Group("order", (VIOLATIONS, INTERRUPTED, EXCESS), measure)
