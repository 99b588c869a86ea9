"""What the final status of a short action costs the API server, and what each rule and each field of it costs."""

from collections.abc import Iterator
from statistics import median
from typing import Any

import orjson
import yaml

from benchmarks.crd_variants import evaluated_rules, renamed, schema_of, with_one_rule, without_rules
from benchmarks.figures.group import Group
from benchmarks.figures.throughput import burst
from benchmarks.load import NOOP
from benchmarks.probe_kinds import ACTION, ProbeKind, cost, install_kind
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import WATCH_ONE, WORK, Stage
from local.manifests import CRDS

COUNT = 2000
WARM_UP = 300
ROUNDS = 3
RULE_COUNT, RULE_TIMES = 300, 10
FIELD_COUNT = 1000
MOST = 100
"""Maximum number of rules and of fields that are measured one by one."""
WRITE = Figure("status_write_ms", "ms")
RATIO = Figure("status_write_ratio", "times", Target(1.6))
RULES = Figure("status_rules_ms", "ms")


def measure(stage: Stage) -> Iterator[Row]:
    """Measure the status that an operator writes, then its parts on kinds with other rules than the project's."""
    status = final_status(stage)
    stage.say(f"final status, {len(orjson.dumps(status))} bytes: {', '.join(status)}")
    cost(stage, ACTION, "warm", WARM_UP, orjson.dumps(status))
    rounds = [cost(stage, ACTION, f"round{number}", COUNT, orjson.dumps(status)) for number in range(ROUNDS)]
    for number, one in enumerate(rounds, start=1):
        stage.say(f"[{number}/{ROUNDS}] creation {one.create:.2f} ms, final status {one.write:.2f} ms")
    yield WRITE.measured(median(one.write for one in rounds))
    yield RATIO.measured(median(one.write / one.create for one in rounds))
    crd = yaml.safe_load((CRDS / "taskactions.taskaction.dev.yaml").read_text())
    bare = install_kind(stage, renamed(without_rules(crd), "ruleless"))
    without = median(per_write(stage, bare, f"round{number}", COUNT, status) for number in range(ROUNDS))
    stage.say(f"without rules: {without:.2f} ms")
    yield RULES.measured(median(one.write for one in rounds) - without)
    measure_rules(stage, crd, bare, status)
    measure_fields(stage, bare, status)


def final_status(stage: Stage) -> dict[str, Any]:
    """Return what an operator writes when a short action has succeeded."""
    with stage.operator(WATCH_ONE):
        stage.run(burst(stage.load, WORK, "first", 1))
        status: dict[str, Any] = stage.run(stage.load.get(WORK, "first-0"))["status"]
        return status


def per_write(stage: Stage, kind: ProbeKind, prefix: str, count: int, status: dict[str, Any]) -> float:
    """Return the CPU milliseconds of one write of a status."""
    return cost(stage, kind, prefix, count, orjson.dumps(status)).write


def measure_rules(stage: Stage, crd: dict[str, Any], bare: ProbeKind, status: dict[str, Any]) -> None:
    """Show what each rule costs that the API server evaluates for this status."""
    places = evaluated_rules(schema_of(crd), {"spec": NOOP, "status": status})[:MOST]
    for number, place in enumerate(places):
        kind = install_kind(stage, renamed(with_one_rule(crd, place, RULE_TIMES), f"rules{number}"))
        without = per_write(stage, bare, f"rule{number}", RULE_COUNT, status)
        more = per_write(stage, kind, "rule", RULE_COUNT, status) - without
        stage.say(f"[{number + 1}/{len(places)}] {more * 1000 / RULE_TIMES:4.0f} µs {str(place)[:100]}")


def measure_fields(stage: Stage, bare: ProbeKind, status: dict[str, Any]) -> None:
    """Show what each field adds to the cost of the status."""
    for name in list(status)[:MOST]:
        rest = {key: value for key, value in status.items() if key != name}
        pairs = [
            (
                per_write(stage, bare, f"with-{name.lower()}-{number}", FIELD_COUNT, status),
                per_write(stage, bare, f"without-{name.lower()}-{number}", FIELD_COUNT, rest),
            )
            for number in range(ROUNDS)
        ]
        added = median(whole - less for whole, less in pairs)
        stage.say(f"{name}: {added * 1000:.0f} µs, {len(orjson.dumps(status[name]))} bytes")


GROUP = Group("status_write", (WRITE, RATIO, RULES), measure)
