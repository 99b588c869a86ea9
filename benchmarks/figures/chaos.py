"""What is lost, repeated or out of order when replicas are killed all the time; the world's own count is believed."""

import asyncio
import time
from collections import Counter as Count
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarks.counter import Counter, Effect
from benchmarks.figures.group import Group
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import WORK, Stage

if TYPE_CHECKING:
    from local.operator_process import Operator

REPLICAS = 3
KILL_EVERY = 10.0
SECONDS = 180.0
KEYS = 50
PAUSE = 1.25
"""Between two arrivals of one key: those within one second may be served in either order."""
SETTLE_SECONDS = 240
SETTINGS: Mapping[str, str] = {}
"""Settings of the operators; by default those of production."""
LOST = Figure("chaos_lost", "actions", Target(0))
REPEATED = Figure("chaos_repeated", "actions", Target(0))
DISORDERED = Figure("chaos_disordered", "keys", Target(0))
INTERRUPTED = Figure("chaos_interrupted", "actions")
ACTIONS = Figure("chaos_actions", "actions")
KILLS = Figure("chaos_kills", "kills")

Item = Mapping[str, Any]


def measure(stage: Stage) -> Iterator[Row]:
    """Create actions of 50 keys at a steady rate, kill one of three replicas every 10 s, and compare the accounts."""
    with Counter() as counter:
        kills = stage.run(under_fire(stage, counter))
        stage.say(f"{kills} kills; waiting for what is left")
        items = stage.run(finished(stage))
        for line in suspicious(items, counter.effects):
            stage.say(f"  {line}")
    yield LOST.measured(lost(items, counter.effects))
    yield REPEATED.measured(repeated(counter.effects))
    yield DISORDERED.measured(disordered(counter.effects, counter.seconds))
    yield INTERRUPTED.measured(sum(phase(item) != "Succeeded" for item in items))
    yield ACTIONS.measured(len(items))
    yield KILLS.measured(kills)


async def under_fire(stage: Stage, counter: Counter) -> int:
    """Have the load go on while replicas are killed and started again; give the number of kills."""
    replicas = [await asyncio.to_thread(stage.start, SETTINGS) for _ in range(REPLICAS)]
    begun = time.monotonic()
    until = begun + SECONDS
    kills = 0
    async with asyncio.TaskGroup() as group:
        for key in range(KEYS):
            group.create_task(arrivals(stage, counter, key, until))
        starting: dict[int, asyncio.Task[Operator]] = {}
        while (moment := begun + (kills + 1) * KILL_EVERY) < until:
            await asyncio.sleep(moment - time.monotonic())
            victim = kills % REPLICAS
            replica = await starting[victim] if victim in starting else replicas[victim]
            await asyncio.to_thread(replica.program.end)
            kills += 1
            starting[victim] = group.create_task(asyncio.to_thread(stage.start, SETTINGS))
            stage.say(f"  {kills} kills, {len(counter.effects)} effects, {until - moment:.0f} s to go")
    return kills


async def arrivals(stage: Stage, counter: Counter, key: int, until: float) -> None:
    """Create the actions of one key, one after the other."""
    await asyncio.sleep(PAUSE * key / KEYS)
    number = 0
    while time.monotonic() < until:
        name = f"key{key}-{number}"
        await stage.load.create(WORK, name, {**counter.once(name), "partitionKey": f"key{key}"})
        number += 1
        await asyncio.sleep(PAUSE)


async def finished(stage: Stage) -> list[Item]:
    """Give all actions when every one has ended, or when that takes too long."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        items: list[Item] = [*await stage.load.list(WORK)]
        if all("finishedAt" in item.get("status", {}) for item in items) or time.monotonic() > deadline:
            return items
        await asyncio.sleep(2.0)


def phase(item: Item) -> str:
    """Give an action's phase."""
    return str(item.get("status", {}).get("phase"))


def lost(items: Sequence[Item], effects: Sequence[Effect]) -> int:
    """Count actions without an end, with another one than success or `Interrupted`, or with a success that was none."""
    seen = {effect.name for effect in effects}
    return sum(not accounted_for(item, item["metadata"]["name"] in seen) for item in items)


def accounted_for(item: Item, took_effect: bool) -> bool:  # noqa: FBT001 - a fact, not a switch
    """Say whether the record of an action tells what is so."""
    if phase(item) == "Succeeded":
        return took_effect
    attempts = item.get("status", {}).get("attempts") or [{}]
    return phase(item) == "Failed" and attempts[-1].get("error", {}).get("code") == "Interrupted"


def suspicious(items: Sequence[Item], effects: Sequence[Effect]) -> Iterator[str]:
    """Give what is known of actions that took effect more than once."""
    moments: dict[str, list[float]] = defaultdict(list)
    for effect in effects:
        moments[effect.name].append(effect.at)
    for item in items:
        name = item["metadata"]["name"]
        if len(moments[name]) > 1:
            yield f"{name} at {moments[name]}: {item['status']}"


def repeated(effects: Sequence[Effect]) -> int:
    """Count actions that took effect more than once."""
    return sum(count > 1 for count in Count(effect.name for effect in effects).values())


def disordered(effects: Sequence[Effect], seconds: float) -> int:
    """Count keys that were not served in the order of arrival, or two at a time."""
    keys: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for effect in effects:
        key, _, number = effect.name.partition("-")
        keys[key].append((int(number), effect.at))
    return sum(
        any(after[0] < before[0] or after[1] - before[1] < seconds * 0.9 for before, after in pairwise(visits))
        for visits in keys.values()
    )


GROUP = Group("chaos", (LOST, REPEATED, DISORDERED, INTERRUPTED, ACTIONS, KILLS), measure)
