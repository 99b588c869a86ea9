"""How much of the operator's rate is left with a history in a PostgreSQL on the same machine."""

import asyncio
from collections.abc import Iterator
from statistics import median

from benchmarks.figures.group import Group
from benchmarks.figures.history import temporary_postgres
from benchmarks.figures.throughput import burst, by_operator
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import WATCH_ONE, WORK, Stage
from taskaction.history.addresses import parse_address
from taskaction.history.schema import migrate_tables

COUNT = 3_000
WARM_UP = 300
ORDER = "ABABABA"
"""A is without a history, B with one: what changes on the machine meanwhile meets both."""
SHARE = Figure("history_noop_share", "share", Target(0.9, at_least=True))


def measure(stage: Stage) -> Iterator[Row]:
    """Alternate between operators with and without a history; only one runs at a time."""
    rates: dict[str, list[float]] = {"A": [], "B": []}
    with temporary_postgres() as postgres:
        asyncio.run(migrate_tables(parse_address(postgres.address, None)))
        settings = {"A": WATCH_ONE, "B": WATCH_ONE | {"TASKACTION_HISTORY": postgres.address}}
        for number, kind in enumerate(ORDER):
            with stage.operator(settings[kind]) as operator:
                stage.run(burst(stage.load, WORK, f"warm{number}", WARM_UP))
                rate, cost = by_operator(stage, operator, f"run{number}", COUNT)
            rates[kind].append(rate)
            name = "with" if kind == "B" else "without"
            stage.say(f"[{number + 1}/{len(ORDER)}] {name} a history: {rate:.0f} actions/s, {cost:.2f} ms CPU each")
    yield SHARE.measured(median(rates["B"]) / median(rates["A"]))


GROUP = Group("history_noop", (SHARE,), measure)
"""The group of this figure."""
