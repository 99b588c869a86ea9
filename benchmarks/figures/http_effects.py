"""Effects that are made twice although nobody permitted a repeat: POSTs without a key, a bad target, and kill -9."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from benchmarks.figures.group import Group
from benchmarks.load import ACTIONS, CONNECTIONS
from benchmarks.misbehaving import WAYS, MisbehavingTarget
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import WORK, Stage
from benchmarks.watching import View
from cluster.errors import ClusterError

COUNT = 10_000
REPLICAS = 2
KILL_EVERY = 5.0
END_SECONDS = 1800.0
BACKLOG = 400
"""Maximum number of actions that have not ended: each replica that starts reads all of them."""
SETTINGS = {
    "TASKACTION_LEASE_DURATION": "3s",
    "TASKACTION_LEASE_RENEW_DEADLINE": "2s",
    "TASKACTION_LEASE_RETRY": "300ms",
    "TASKACTION_INTERRUPT_GRACE": "1s",
}
"""So that killed replicas are replaced at once."""
RETRIES = {"limit": 2, "backoff": {"initial": "50ms", "max": "100ms"}}
REPEATED = Figure("http_effects", "effects", Target(0))
INVENTED = Figure("http_effects_invented", "actions", Target(0))
KILLS = Figure("http_effects_kills", "kills")

Item = Mapping[str, Any]


def measure(stage: Stage) -> Iterator[Row]:
    """Create the actions, kill one of the replicas every few seconds until all have ended, and count the effects."""
    with MisbehavingTarget() as target:
        kills = stage.run(_under_fire(stage, target))
        items = stage.run(stage.load.list(WORK))
        effects = dict(target.effects)
    for name, number in effects.items():
        if number > 1:
            stage.say(f"  {name}: {number} effects")
    stage.say(f"{len(items)} actions, {sum(effects.values())} effects, {kills} kills")
    yield REPEATED.measured(sum(number - 1 for number in effects.values()))
    yield INVENTED.measured(count_invented(items, effects))
    yield KILLS.measured(kills)


def count_invented(items: Sequence[Item], effects: Mapping[str, int]) -> int:
    """Return the number of actions that are on record as succeeded although the target has done nothing."""
    succeeded = (item["metadata"]["name"] for item in items if item.get("status", {}).get("phase") == "Succeeded")
    return sum(effects.get(name, 0) == 0 for name in succeeded)


class Progress:
    """The actions that a watch has shown at their end."""

    def __init__(self) -> None:
        """Create an empty record."""
        self.ended: set[str] = set()

    def note(self, line: bytes) -> None:
        """Take one line of the watch."""
        if b'"finishedAt":"' in line:
            self.ended.add(orjson.loads(line)["object"]["metadata"]["name"])


async def _under_fire(stage: Stage, target: MisbehavingTarget) -> int:
    """Kill replicas until all actions have ended; return the number of kills."""
    replicas = [await asyncio.to_thread(stage.start, SETTINGS) for _ in range(REPLICAS)]
    progress, begun, kills = Progress(), asyncio.Event(), 0
    deadline = time.monotonic() + END_SECONDS
    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(stage.load.follow(View(ACTIONS.path(WORK)), progress.note, begun))
        await begun.wait()
        group.create_task(_create(stage, target, progress))
        while len(progress.ended) < COUNT:
            if time.monotonic() > deadline:
                raise ClusterError(f"{len(progress.ended)} of {COUNT} actions have ended")
            await asyncio.sleep(KILL_EVERY)
            victim = kills % REPLICAS
            await asyncio.to_thread(replicas[victim].program.end)
            replicas[victim] = await asyncio.to_thread(stage.start, SETTINGS)
            kills += 1
            stage.say(f"  {kills} kills, {sum(target.effects.values())} effects, {len(progress.ended)} ends")
        watcher.cancel()
    return kills


async def _create(stage: Stage, target: MisbehavingTarget, progress: Progress) -> None:
    ways = tuple(WAYS)
    numbers = iter(range(COUNT))

    async def worker() -> None:
        for number in numbers:
            while number - len(progress.ended) >= BACKLOG:  # noqa: ASYNC110 - a watch says when they end
                await asyncio.sleep(0.05)
            way, name = ways[number % len(ways)], f"post-{number}"
            parameters = {"method": "POST", "url": f"{target.url}/{way}/{name}", "json": {}, "timeout": "500ms"}
            await stage.load.create(WORK, name, {"executor": "http", "parameters": parameters, "retryPolicy": RETRIES})

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(worker())


GROUP = Group("http_effects", (REPEATED, INVENTED, KILLS), measure)
