"""How much of what the API server can take the operator makes use of, and what it needs for that.

The ceiling is what the load process reaches with the very same writes. The reference does not depend on the project's
schema: one creation, and one PUT of six scalars, of a kind without rules.
"""

import time
from collections.abc import Iterator
from statistics import median

import orjson

from benchmarks.crd_variants import reference_crd
from benchmarks.figures.group import Group
from benchmarks.load import NOOP, Load
from benchmarks.probe_kinds import ProbeKind, install_kind
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import RAW, WATCH_ONE, WORK, Stage, cpu
from local.operator_process import Operator

COUNT = 4000
WARM_UP = 500
TIMEOUT = 180
ORDER = "ABCABCA"
"""A is the ceiling, B the operator, C the reference: what changes on the machine meanwhile meets all of them."""
CEILING = Figure("ceiling_per_second", "actions/s")
RATE = Figure("noop_per_second", "actions/s")
SHARE = Figure("noop_share_of_ceiling", "share", Target(0.8, at_least=True))
REFERENCE = Figure("reference_per_second", "actions/s")
REFERENCE_SHARE = Figure("noop_share_of_reference", "share", Target(0.55, at_least=True))
CPU = Figure("operator_cpu_ms_per_action", "ms", Target(1.0))
SCALARS = {
    "phase": "string",
    "reason": "string",
    "attempt": "integer",
    "observedGeneration": "integer",
    "startedAt": "string",
    "finishedAt": "string",
}
"""The status of the reference, with the types of its fields."""


def measure(stage: Stage) -> Iterator[Row]:
    """Alternate between load process, operator and reference over the same connections, and take medians."""
    with stage.operator(WATCH_ONE) as operator:
        end = warm_up(stage)
        reference = install_kind(stage, reference_crd("references", SCALARS))
        ceilings, rates, costs, references = [], [], [], []
        for number, kind in enumerate(ORDER):
            name = f"run{number}"
            if kind == "A":
                ceilings.append(ceiling(stage, name, COUNT, end))
                stage.say(f"[{number + 1}/{len(ORDER)}] ceiling: {ceilings[-1]:.0f} actions/s")
            elif kind == "C":
                references.append(COUNT / stage.run(reference_burst(stage.load, reference, name, COUNT, end)))
                stage.say(f"[{number + 1}/{len(ORDER)}] reference: {references[-1]:.0f} actions/s")
            else:
                rate, cost = by_operator(stage, operator, name, COUNT)
                rates.append(rate)
                costs.append(cost)
                stage.say(f"[{number + 1}/{len(ORDER)}] operator: {rate:.0f} actions/s, {cost:.2f} ms CPU per action")
    yield CEILING.measured(median(ceilings))
    yield RATE.measured(median(rates))
    yield SHARE.measured(median(rates) / median(ceilings))
    yield REFERENCE.measured(median(references))
    yield REFERENCE_SHARE.measured(median(rates) / median(references))
    yield CPU.measured(median(costs))


def warm_up(stage: Stage) -> bytes:
    """Fill caches and open connections before anything is measured; return the status that the operator writes."""
    stage.say(f"warming up with {WARM_UP} actions each")
    stage.run(burst(stage.load, WORK, "warm", WARM_UP))
    end = orjson.dumps(stage.run(stage.load.get(WORK, "warm-0"))["status"])
    stage.run(burst(stage.load, RAW, "warm", WARM_UP, end))
    return end


def ceiling(stage: Stage, prefix: str, count: int, end: bytes) -> float:
    """Give the actions per second that the load process creates and finishes by itself, by the very same writes."""
    return count / stage.run(burst(stage.load, RAW, prefix, count, end))


async def burst(load: Load, namespace: str, prefix: str, count: int, end: bytes | None = None) -> float:
    """Give the seconds from the first creation until the last action is seen finished, whoever finishes it."""
    async with load.finished(namespace) as seen:
        begun = time.perf_counter()
        await load.create_many(namespace, prefix, count, NOOP, end=end)
        return await seen.reach(count, timeout=TIMEOUT) - begun


async def reference_burst(load: Load, kind: ProbeKind, prefix: str, count: int, end: bytes) -> float:
    """Return the seconds until a watch shows all objects of the reference finished; ``end`` has their status."""
    status = orjson.dumps({name: value for name, value in orjson.loads(end).items() if name in SCALARS})

    async def one(number: int) -> None:
        body = kind.body(f"{prefix}-{number}")
        version = await load.post(kind.collection, RAW, body)
        await load.put_status(kind.collection, RAW, body, version, status)

    async with load.finished(RAW, kind.collection) as seen:
        begun = time.perf_counter()
        await load.many(count, one)
        return await seen.reach(count, timeout=TIMEOUT) - begun


def by_operator(stage: Stage, operator: Operator, prefix: str, count: int) -> tuple[float, float]:
    """Give actions per second, and the operator's CPU milliseconds per action."""
    used = cpu(operator)
    seconds = stage.run(burst(stage.load, WORK, prefix, count))
    return count / seconds, (cpu(operator) - used) * 1000 / count


GROUP = Group("throughput", (CEILING, RATE, SHARE, REFERENCE, REFERENCE_SHARE, CPU), measure)
