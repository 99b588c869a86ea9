"""What hostile input costs: the longest pause of the operator's event loop, and memory for large actions that wait."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures.group import Group
from benchmarks.load import ACTIONS, API, Collection
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import QUICK_STOP, WORK, Stage, memory

INPUTS = 200
WAITING = 1_000
LARGEST_BYTES = 255 * 1024
TIMEOUT = 300
PAUSE_FILE = "BENCH_LOOP_PAUSE_FILE"
PROBE = Path(__file__).parents[1] / "pause_probe"
PAUSE = Figure("loop_pause_ms", "ms", Target(50))
MEMORY = Figure("memory_mb_hostile", "MB", Target(100))

PROVIDERS = Collection(API, "actionproviders", "")
RUNS = Collection(API, "actionflowruns", "")
KINDS = {ACTIONS: "TaskAction", PROVIDERS: "ActionProvider", RUNS: "ActionFlowRun"}

Body = dict[str, Any]


def measure(stage: Stage) -> Iterator[Row]:
    """Serve a corpus of hostile objects, then keep the largest actions waiting."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pause"
        with stage.operator({**QUICK_STOP, "PYTHONPATH": stage.python_path(PROBE), PAUSE_FILE: str(file)}):
            stage.run(serve(stage))
            stage.settle()
            longest, _, callback = file.read_text().partition("\n")
            stage.say(f"longest callback: {longest} ms, {callback.strip()[:200]}")
            yield PAUSE.measured(float(longest))
        with stage.operator(QUICK_STOP) as operator:
            before = memory(operator)
            largest = {"output": {"blob": "x" * LARGEST_BYTES}}
            spec = {"executor": "noop", "suspend": True, "parameters": largest}
            stage.run(stage.load.create_many(WORK, "waiting", WAITING, spec, say=stage.say))
            stage.settle()
            yield MEMORY.measured(memory(operator) - before)


async def serve(stage: Stage) -> None:
    """Create the objects of the corpus."""
    choice = random.Random(1)  # noqa: S311 - the same corpus each time
    for number in range(INPUTS):
        name = f"hostile-{number}"
        kind, spec = CORPUS[number % len(CORPUS)](choice)
        body = {"apiVersion": "taskaction.dev/v1alpha1", "metadata": {"name": name}, **spec}
        await stage.load.post(kind, WORK, {**body, "kind": KINDS[kind]})
        if kind is PROVIDERS:
            using: Body = {"providerRef": {"name": name}, "parameters": nested(choice.randrange(5, 60))}
            await stage.load.create(WORK, name, using)


def doubling(choice: random.Random) -> Body:
    """Give a schema that evaluates one value 2**levels times."""
    levels = choice.randrange(10, 40)
    twice = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": twice | {f"d{levels}": {"type": "object"}}, "$ref": "#/$defs/d0"}


def nested(levels: int) -> Body:
    """Give a value with so many levels."""
    value: Body = {"a": 1}
    for _ in range(levels):
        value = {"a": value}
    return value


def approval(choice: random.Random) -> tuple[Any, Body]:
    """Give an approval whose schema doubles."""
    parameters = {"type": "object", "schema": doubling(choice)}
    return ACTIONS, {"spec": {"executor": "approval", "parameters": parameters, "signal": {"value": {}}}}


def parts(choice: random.Random) -> tuple[Any, Body]:
    """Give an action whose parameters have many parts."""
    return ACTIONS, {"spec": {"executor": "noop", "parameters": {"output": [[]] * choice.randrange(20_000, 80_000)}}}


def schema(choice: random.Random) -> tuple[Any, Body]:
    """Give a provider with a schema that doubles, recurses, or has a large pattern."""
    recursive = {"$defs": {"n": {"allOf": [{"properties": {"a": {"$ref": "#/$defs/n"}}}] * 3}}, "$ref": "#/$defs/n"}
    large = {"properties": {f"p{n}": {"pattern": f"(?:a?b?){{{n}}}c$"} for n in range(200)}}
    return PROVIDERS, {"spec": {"executor": "noop", "inputSchema": choice.choice([doubling(choice), recursive, large])}}


def loop(_: random.Random) -> tuple[Any, Body]:
    """Give a run that loops."""
    states = {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}
    return RUNS, {"spec": {"definition": {"StartAt": "A", "States": states}}}


def growing(choice: random.Random) -> tuple[Any, Body]:
    """Give a run whose state grows several times with each of its states."""
    parts = {f"k{number}.$": "$" for number in range(choice.randrange(2, 50))}
    states = {
        name: {"Type": "Pass", "Parameters": parts, "Next": following} for name, following in (("A", "B"), ("B", "A"))
    }
    return RUNS, {"spec": {"definition": {"StartAt": "A", "States": states}, "input": {"x": [1]}}}


def expression(choice: random.Random) -> tuple[Any, Body]:
    """Give a run whose state computes much."""
    text = choice.choice(["len([[x == y for x in l] for y in l])", "[l == l for x in l]", "'a' * 90000 + 'b'"])
    states = {"A": {"Type": "Pass", "Parameters": {"r.=": text}, "End": True}}
    return RUNS, {"spec": {"definition": {"StartAt": "A", "States": states}, "input": {"l": [*range(1000)]}}}


CORPUS = (approval, parts, schema, loop, expression, growing)

GROUP = Group("hostile", (PAUSE, MEMORY), measure)
