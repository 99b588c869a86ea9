"""What a record of the history costs: a stream of ends into a PostgreSQL on the same machine, without a cluster."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.figures.group import Group
from benchmarks.metrics import cpu_of
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import Stage
from local.postgres import Postgres, running_postgres
from taskaction.api.task_action import TaskAction
from taskaction.app.observer import OperatorRecorder
from taskaction.app.operator_metrics import OperatorMetrics
from taskaction.core.clock import SystemClock
from taskaction.core.constants import API_VERSION
from taskaction.history.addresses import parse_address
from taskaction.history.availability import Availability
from taskaction.history.records import finished_record
from taskaction.history.schema import migrate_tables
from taskaction.history.store import HistoryStore
from taskaction.history.writer import MAX_BATCH, HistoryWriter

COUNT = 100_000
SECONDS = 600.0
RATE = Figure("history_writes_per_s", "records/s", Target(1_000, at_least=True))
CPU = Figure("history_cpu_ms", "ms/record", Target(0.5))
TIME = "2026-01-31T09:30:00.123Z"


def measure(stage: Stage) -> Iterator[Row]:
    """Write records as fast as the database takes them; the time includes making them of objects."""
    with temporary_postgres() as postgres:
        seconds, cpu = asyncio.run(write(postgres))
    stage.say(f"{COUNT} records in {seconds:.1f} s, with {cpu:.1f} s of CPU")
    yield RATE.measured(COUNT / seconds)
    yield CPU.measured(cpu / COUNT * 1000)


@contextmanager
def temporary_postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL whose data goes with it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as a user of its own if this is root
        data = Path(folder) / "postgres"
        data.mkdir()
        with running_postgres(data) as postgres:
            yield postgres


async def write(postgres: Postgres) -> tuple[float, float]:
    """Return the seconds that all records took, and the CPU seconds of this process and the database."""
    url, clock = parse_address(postgres.address, None), SystemClock()
    await migrate_tables(url)
    store = HistoryStore.open(url)
    recorder = OperatorRecorder(OperatorMetrics(), clock)
    writer = HistoryWriter(store, clock, Availability(clock, lambda: 0.0), recorder)
    await store.find_versions([""])  # the connection stays, so its process is there at the end, too
    begun, cpu = time.monotonic(), time.process_time() + database_cpu(postgres)
    for number in range(COUNT):
        writer.add(finished_record(finished_action(number), number))
        if number % MAX_BATCH == MAX_BATCH - 1:
            await writer.finish(SECONDS)
    await writer.finish(SECONDS)
    seconds, cpu = time.monotonic() - begun, time.process_time() + database_cpu(postgres) - cpu
    written = recorder.metrics.history_records
    await store.close()
    if (found := next(iter(written.collect())).samples[0].value) != COUNT:
        raise RuntimeError(f"{found:.0f} of {COUNT} records were written")
    return seconds, cpu


def database_cpu(postgres: Postgres) -> float:
    """Return the CPU seconds of all processes of a database."""
    root = psutil.Process(postgres.pid)
    return sum(cpu_of(one.pid) for one in (root, *root.children()))


def finished_action(number: int) -> TaskAction:
    """Return an action as it is in memory at its end."""
    return TaskAction.from_body({
        "apiVersion": API_VERSION,
        "kind": "TaskAction",
        "metadata": {
            "name": f"action-{number}",
            "namespace": f"team-{number % 20}",
            "uid": f"{number:08x}-5717-4562-b3fc-2c963f66afa6",
            "creationTimestamp": TIME,
            "labels": {"app.kubernetes.io/part-of": f"shop-{number % 50}"},
        },
        "spec": {"providerRef": {"name": f"provider-{number % 30}"}, "parameters": {"output": {"answer": number}}},
        "status": {
            "phase": "Succeeded",
            "reason": "Completed",
            "message": "the executor has finished",
            "attempt": 1,
            "output": {"answer": number},
            "startedAt": TIME,
            "finishedAt": TIME,
        },
    })  # fmt: skip


GROUP = Group("history", (RATE, CPU), measure)
"""The group of these figures."""
