"""What a watch costs for each action that its replica does not need, by how the watch selects (ADR 0024).

Watches of each form follow the same actions in turn. What the API server uses without any of them is not counted, and
neither is what the load process needs to create the actions. The forms that select show none of the actions, so they
cost what is left of an action of others. ``shardSelector`` is behind the feature gate of KEP-5866.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import orjson

from benchmarks.figures.group import Group
from benchmarks.figures.throughput import burst
from benchmarks.load import ACTIONS
from benchmarks.metrics import total
from benchmarks.past import FINISHED
from benchmarks.report import Figure, Row
from benchmarks.stage import RAW, Stage
from benchmarks.watching import View
from cluster.binaries import Say
from cluster.controlplane import ControlPlane
from taskaction.control.objects.sweep import LIVE_SELECTOR

COUNT = 600
WARM_UP = 200
ROUNDS = 3
WATCHES = 40
FORMS: Mapping[str, Mapping[str, str]] = {
    "whole": {},
    "label": {"labelSelector": "example.com/slot=another"},
    "range": {"shardSelector": "shardRange(object.metadata.uid, '0x0000000000000000', '0x0000000000000001')"},
}
NONE = "no"
APISERVER = {form: Figure(f"watch_{form}_apiserver_ms", "ms") for form in FORMS}
CLIENT = {form: Figure(f"watch_{form}_client_ms", "ms") for form in FORMS}


@dataclass
class Cost:
    """CPU milliseconds for each action, of the API server and of this process."""

    apiserver: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)


def with_gate(programs: Path, say: Say) -> ControlPlane:
    """Return a control plane without nodes whose API server takes ``shardSelector``."""
    say("feature gate ShardedListAndWatch")
    return ControlPlane(programs, apiserver_flags=("--feature-gates=ShardedListAndWatch=true",))


def measure(stage: Stage) -> Iterator[Row]:
    """Alternate between the forms and no watch, and take medians of what each watch adds."""
    end = orjson.dumps(FINISHED)
    costs = {form: Cost() for form in (NONE, *FORMS)}
    stage.run(burst(stage.load, RAW, "warm", WARM_UP, end))
    for number in range(ROUNDS):
        for form, cost in costs.items():
            apiserver, client = _used(stage)
            stage.run(_followed(stage, form, f"{form}{number}", end))
            after = _used(stage)
            cost.apiserver.append((after[0] - apiserver) * 1000 / COUNT)
            cost.client.append((after[1] - client) * 1000 / COUNT)
            stage.say(
                f"[{number + 1}/{ROUNDS}] {form}: API server {cost.apiserver[-1]:.2f} ms, client {cost.client[-1]:.2f}"
            )
    for form in FORMS:
        yield APISERVER[form].measured((median(costs[form].apiserver) - median(costs[NONE].apiserver)) / WATCHES)
        yield CLIENT[form].measured((median(costs[form].client) - median(costs[NONE].client)) / WATCHES)


async def _followed(stage: Stage, form: str, prefix: str, end: bytes) -> None:
    async with _watches(stage, FORMS.get(form)):
        await burst(stage.load, RAW, prefix, COUNT, end)


@asynccontextmanager
async def _watches(stage: Stage, query: Mapping[str, str] | None) -> AsyncIterator[None]:
    """Follow the actions by watches that parse what they are sent; by none without a query."""
    count = 0 if query is None else WATCHES
    view = View(ACTIONS.path(RAW), selector=LIVE_SELECTOR, query=query or {})
    async with asyncio.TaskGroup() as group:
        begun = [asyncio.Event() for _ in range(count)]
        tasks = [group.create_task(stage.load.follow(view, orjson.loads, event)) for event in begun]
        for event in begun:
            await event.wait()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


def _used(stage: Stage) -> tuple[float, float]:
    """Return the CPU seconds of the API server and of this process so far."""
    return total(stage.plane.apiserver_metrics(), "process_cpu_seconds_total"), time.process_time()


GROUP = Group("selected_watch", (*APISERVER.values(), *CLIENT.values()), measure, with_gate)
