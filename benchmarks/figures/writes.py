"""How many writes an action costs, counted by the API server itself."""

import json
import time
from collections.abc import Iterator

from benchmarks.figures.group import Group
from benchmarks.metrics import Writes
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import WORK, Stage

COUNT = 50
NOOP = Figure("noop_writes_per_action", "writes", Target(1.0))
CLAIMED = Figure("claimed_writes_per_action", "writes", Target(2.0))
NOOP_EVENTS = Figure("noop_event_writes_per_action", "writes")
CLAIMED_EVENTS = Figure("claimed_event_writes_per_action", "writes")
LEASES = Figure("lease_writes_per_second", "writes/s", Target(4))


def measure(stage: Stage) -> Iterator[Row]:
    """Create actions by kubectl, let them end, and count."""
    with stage.operator():
        before, begun = stage.settle(), time.monotonic()
        for executor, writes, events in ("noop", NOOP, NOOP_EVENTS), ("bench-once", CLAIMED, CLAIMED_EVENTS):
            counted = run(stage, executor)
            yield writes.measured(per_action(counted))
            yield events.measured(counted.of_resource("events") / COUNT)
        seconds = time.monotonic() - begun
        yield LEASES.measured(stage.writes().since(before).of_resource("leases") / seconds)


def run(stage: Stage, executor: str) -> Writes:
    """Give everything that was written while actions of an executor were created and ran."""
    stage.say(f"{COUNT} {executor} actions by kubectl")
    before = stage.settle()
    items = [
        {
            "apiVersion": "taskaction.dev/v1alpha1",
            "kind": "TaskAction",
            "metadata": {"name": f"{executor}-{number}", "labels": {"bench": executor}},
            "spec": {"executor": executor},
        }
        for number in range(COUNT)
    ]
    kubectl = stage.plane.kubectl.within(WORK)
    kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    kubectl(
        "wait", "taskaction", f"--selector=bench={executor}", "--for=condition=Succeeded", "--timeout=60s", timeout=70
    )
    counted = stage.settle().since(before)
    stage.say(f"  {counted}")
    return counted


def per_action(counted: Writes) -> float:
    """Give the operator's writes: all but the creations, which are kubectl's."""
    return (counted.of_resource("taskactions") - COUNT) / COUNT


GROUP = Group("writes", (NOOP, CLAIMED, NOOP_EVENTS, CLAIMED_EVENTS, LEASES), measure)
