"""What the history lacks, or has twice, when operators are killed, the database crashes and a network is cut."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import asyncpg

from benchmarks.figures.group import Group
from benchmarks.figures.history import temporary_postgres
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import WORK, Stage
from cluster.ports import HOST, free_port
from local.operator_process import Operator
from local.postgres import Postgres
from support.tcp_proxy import Wire
from taskaction.history.addresses import parse_address
from taskaction.history.schema import migrate_tables

COUNT = 100_000
REPLICAS = 3
TTL_SECONDS = 60
FAULT_EVERY = 5.0
CUT_SECONDS = 3.0
SETTLE_SECONDS = 1_800.0
LEAST_FAULTS = 9
SETTINGS: Mapping[str, str] = {}
"""Settings of the operators besides the history; by default those of production."""
LOST = Figure("history_lost", "actions", Target(0))
DOUBLE = Figure("history_double", "actions", Target(0))
FAULTS = Figure("history_faults", "faults")


@dataclass
class Scene:
    """Operators that share a database; the first one reaches the API server by a wire that can be cut."""

    stage: Stage
    postgres: Postgres
    wire: Wire
    operators: dict[int, Operator] = field(default_factory=dict)
    faults: int = 0
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def complete(self) -> None:
        """Start the operators that do not run, at the same time."""
        async with self.starting:
            missing = [place for place in range(REPLICAS) if place not in self._running()]
            found = await asyncio.gather(*(asyncio.to_thread(self._start, place) for place in missing))
            self.operators |= dict(zip(missing, found, strict=True))

    async def disturb(self) -> None:
        """Let one thing fail: an operator is killed, the database crashes, or nothing passes the wire for a while."""
        kind, turn = self.faults % 3, self.faults // 3
        self.faults += 1
        if kind == 0:
            await asyncio.to_thread(self.operators[turn % REPLICAS].program.end)
        elif kind == 1:
            await asyncio.to_thread(self.postgres.crash_and_start)
        else:
            self.wire.cut()
            await asyncio.sleep(CUT_SECONDS)
            self.wire.mend()

    def _running(self) -> set[int]:
        return {place for place, operator in self.operators.items() if operator.program.is_running()}

    def _start(self, place: int) -> Operator:
        own = self.stage.kubeconfig
        kubeconfig = self.wire.write_kubeconfig(own.with_name("wired.kubeconfig")) if place == 0 else own
        bind = {"TASKACTION_BIND": f"{HOST}:{free_port()}", "TASKACTION_HISTORY": self.postgres.address}
        return self.stage.start({**SETTINGS, **bind}, kubeconfig=kubeconfig)


def measure(stage: Stage) -> Iterator[Row]:
    """Create actions that expire soon while things fail, and compare the history with what was created."""
    with temporary_postgres() as postgres, Wire(stage.kubeconfig) as wire:
        asyncio.run(migrate_tables(parse_address(postgres.address, None)))
        scene = Scene(stage, postgres, wire)
        left = stage.run(under_faults(scene))
        recorded = stage.run(read_records(postgres))
    expected = {f"past-{number}" for number in range(COUNT)}
    stage.say(f"{scene.faults} faults; {len(recorded)} recorded, {len(left)} objects left")
    if left - recorded.keys():
        stage.say(f"  not recorded yet, and so not deleted: {len(left - recorded.keys())}")
    yield LOST.measured(len(expected - recorded.keys() - left))
    yield DOUBLE.measured(sum(count > 1 for count in recorded.values()))
    yield FAULTS.measured(scene.faults)


async def under_faults(scene: Scene) -> set[str]:
    """Return the names of the objects that are left once no more expire, or when that takes too long."""
    stage = scene.stage
    await scene.complete()
    spec = {"executor": "noop", "ttlSecondsAfterFinished": TTL_SECONDS}
    load = asyncio.create_task(stage.load.create_many(WORK, "past", COUNT, spec, say=stage.say))
    async with asyncio.TaskGroup() as group:
        begun, until = time.monotonic(), 0.0
        while (now := time.monotonic()) < until or not load.done() or scene.faults < LEAST_FAULTS:
            if not load.done():
                until = now + TTL_SECONDS  # also while objects expire
            await asyncio.sleep(max(0.0, begun + (scene.faults + 1) * FAULT_EVERY - now))
            await scene.disturb()
            group.create_task(scene.complete())
    await load
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        left = {str(item["metadata"]["name"]) for item in await stage.load.list(WORK)}
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(1.0)


async def read_records(postgres: Postgres) -> Mapping[str, int]:
    """Return how many records each name has."""
    connection = await asyncpg.connect(postgres.address)
    try:
        rows = await connection.fetch("SELECT name, count(*) AS count FROM taskaction_history GROUP BY name")
    finally:
        await connection.close()
    return {row["name"]: row["count"] for row in rows}


GROUP = Group("history_faults", (LOST, DOUBLE, FAULTS), measure)
"""The group of these figures."""
