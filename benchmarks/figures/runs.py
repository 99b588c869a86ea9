"""What runs of flows cost on a real API server: a chain of ten states, and a Map of ten thousand items."""

import time
from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks.figures.group import Group
from benchmarks.load import API, Collection
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import WATCH_ONE, WORK, Stage

RUNS = Collection(API, "actionflowruns", "status.phase=Succeeded")
CHAINS = 30
ITEMS = 10_000
MAPS = 3
TIMEOUT = 60
CHAIN_WRITES = Figure("flow_chain_writes", "writes", Target(10))
CHAIN_P50 = Figure("flow_chain_p50_ms", "ms", Target(150))
MAP_RATE = Figure("map_items_per_s", "items/s", Target(2_000, at_least=True))
MAP_WRITES = Figure("map_writes_per_100", "writes", Target(1))
NOOP: dict[str, Any] = {
    "Type": "Action",
    "ActionUrl": "taskaction://executor/noop",
    "Parameters": {},
    "ResultPath": "$.done",
}


def chain() -> dict[str, Any]:
    """Give a flow of ten states: five Pass, two Choice, three actions that do nothing."""
    order = ["Pass1", "Action1", "Pass2", "Choice1", "Pass3", "Action2", "Pass4", "Choice2", "Pass5", "Action3"]
    states: dict[str, Any] = {}
    for name, following in zip(order, [*order[1:], None], strict=True):
        way = {"End": True} if following is None else {"Next": following}
        if name.startswith("Pass"):
            states[name] = {"Type": "Pass", **way}
        elif name.startswith("Choice"):
            rule = {"Variable": "$.n", "NumericEquals": 1, "Next": following}
            states[name] = {"Type": "Choice", "Choices": [rule], "Default": following}
        else:
            states[name] = NOOP | way
    return {"StartAt": order[0], "States": states}


def mapped() -> dict[str, Any]:
    """Give a flow that calls an executor for every item, and keeps the items."""
    call = NOOP | {"Parameters": {"output.$": "$"}, "ResultPath": None, "End": True}
    inner = {"StartAt": "Call", "States": {"Call": call}}
    each = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemProcessor": inner,
        "Inline": True,
        "ResultPath": "$.out",
        "End": True,
    }
    return {"StartAt": "Each", "States": {"Each": each}}


def measure(stage: Stage) -> Iterator[Row]:
    """Run one chain after the other, then one Map after the other."""
    with stage.operator(WATCH_ONE):
        run(stage, "warm", chain(), {"n": 1})
        before = stage.settle()
        times = [run(stage, f"chain-{number}", chain(), {"n": 1}) for number in range(CHAINS)]
        counted = stage.settle().since(before)
        stage.say(f"chain: {', '.join(f'{1000 * one:.0f}' for one in times)} ms; {counted}")
        written = counted.of_resource("taskactions") + counted.of_resource("actionflowruns") - CHAINS
        yield CHAIN_WRITES.measured(written / CHAINS)
        yield CHAIN_P50.measured(1000 * median(times))
        before = stage.settle()
        times = [run(stage, f"map-{number}", mapped(), {"items": list(range(ITEMS))}) for number in range(MAPS)]
        counted = stage.settle().since(before)
        stage.say(f"map: {', '.join(f'{one:.2f}' for one in times)} s; {counted}")
        yield MAP_RATE.measured(ITEMS / median(times))
        written = counted.of_resource("taskactions") + counted.of_resource("actionflowruns") - MAPS
        yield MAP_WRITES.measured(written / MAPS / ITEMS * 100)


def run(stage: Stage, name: str, definition: dict[str, Any], given: dict[str, Any]) -> float:
    """Give the seconds from the creation of a run until its end can be seen."""
    body = {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "ActionFlowRun",
        "metadata": {"name": name},
        "spec": {"definition": definition, "input": given},
    }
    return stage.run(_run(stage, name, body))


async def _run(stage: Stage, name: str, body: dict[str, Any]) -> float:
    async with stage.load.finished(WORK, RUNS) as seen:
        begun = time.perf_counter()
        await stage.load.post(RUNS, WORK, body)
        await seen.reach(1, timeout=TIMEOUT)
        return seen.moments[name] - begun


GROUP = Group("runs", (CHAIN_WRITES, CHAIN_P50, MAP_RATE, MAP_WRITES), measure)
