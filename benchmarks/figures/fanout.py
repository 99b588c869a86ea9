"""How fast a program of the published Flyte SDK gets its children done, beside what the engine does without it."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from flyteidl2.actions.actions_service_connect import ActionsServiceClientSync

from benchmarks.figures.actions_process import PARENT, ActionsProcess
from benchmarks.figures.enqueue import request
from benchmarks.figures.group import Group
from benchmarks.figures.throughput import burst
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import WATCH_ONE, WORK, Stage
from support.flytesdk import environment
from support.flytesdk.program import FAST, Story

COUNT = 1000
WARM_UP = 100
TIMEOUT = 300
ORDER = "ABABA"
"""A is the engine, B the SDK: what changes on the machine meanwhile meets both."""
RATE = Figure("sdk_children_per_second", "actions/s")
SHARE = Figure("sdk_fanout_share", "share", Target(0.4, at_least=True))


def measure(stage: Stage) -> Iterator[Row]:
    """Alternate between bare actions and children of one parent by the SDK, and take medians."""
    python = environment.python(stage.say)
    engine, sdk = [], []
    with stage.operator(WATCH_ONE), ActionsProcess(stage) as service:
        stage.run(burst(stage.load, WORK, "warm", WARM_UP))
        fanout(stage, service, python, "warm", WARM_UP)
        for number, kind in enumerate(ORDER):
            if kind == "A":
                engine.append(COUNT / stage.run(burst(stage.load, WORK, f"run{number}", COUNT)))
                stage.say(f"[{number + 1}/{len(ORDER)}] engine: {engine[-1]:.0f} actions/s")
            else:
                sdk.append(COUNT / fanout(stage, service, python, f"run{number}", COUNT))
                stage.say(f"[{number + 1}/{len(ORDER)}] SDK: {sdk[-1]:.0f} children/s")
    yield RATE.measured(median(sdk))
    yield SHARE.measured(median(sdk) / median(engine))


def fanout(stage: Stage, service: ActionsProcess, python: Path, run: str, count: int) -> float:
    """Give the seconds that the program saw from its first child's start to the last one's end."""
    root = request(run, "a0", None)
    root.action.task.spec.task_template.type = PARENT  # it goes on, as one whose program is under way
    with ActionsServiceClientSync(service.url) as client:
        client.enqueue(root)
    address = service.url.removeprefix("http://")
    folder = stage.plane.folder.path / f"program-{run}"
    story = Story(python=python, address=address, run=root.action.action_id.run, folder=folder)
    ended = story.ended(story.start("fanout", FAST, count=count), TIMEOUT)
    return float(ended.scalar.primitive.float_value)


GROUP = Group("fanout", (RATE, SHARE), measure)
