"""What an Enqueue costs: how much of the API server's rate of creation passes through the Actions service."""

import asyncio
import time
from collections.abc import Iterator
from statistics import median

from connectrpc.compression.gzip import GzipCompression
from flyteidl2.actions.actions_service_connect import ActionsServiceClient
from flyteidl2.actions.actions_service_pb2 import Action, EnqueueRequest
from flyteidl2.common.identifier_pb2 import ActionIdentifier, RunIdentifier

from benchmarks.figures.actions_process import ActionsProcess
from benchmarks.figures.group import Group
from benchmarks.load import NOOP
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import RAW, Stage

COUNT = 2000
WARM_UP = 300
CALLERS = 32
ORDER = "ABABA"
"""A is the ceiling, B the service: what changes on the machine meanwhile meets both."""
SHARE = Figure("enqueue_share_of_ceiling", "share", Target(0.5, at_least=True))
RATE = Figure("enqueue_per_second", "actions/s")
CALLS = Figure("enqueue_api_calls", "calls", Target(1))
CPU = Figure("enqueue_cpu_ms", "ms")


def measure(stage: Stage) -> Iterator[Row]:
    """Alternate between raw creation and Enqueue, with no operator, and take medians."""
    with ActionsProcess(stage) as service:
        stage.run(raw(stage, "warm", WARM_UP))
        stage.run(enqueued(service, "warm", WARM_UP))
        ceilings, rates, calls, cpu = [], [], [], []
        for number, kind in enumerate(ORDER):
            if kind == "A":
                ceilings.append(COUNT / stage.run(raw(stage, f"run{number}", COUNT)))
                stage.say(f"[{number + 1}/{len(ORDER)}] ceiling: {ceilings[-1]:.0f} creations/s")
            else:
                before, used = service.api_calls(), service.cpu()
                rates.append(COUNT / stage.run(enqueued(service, f"run{number}", COUNT)))
                cpu.append((service.cpu() - used) * 1000 / COUNT)
                calls.append((service.api_calls() - before) / (COUNT + 1))  # the root is one, too
                stage.say(f"[{number + 1}/{len(ORDER)}] service: {rates[-1]:.0f} actions/s")
    yield RATE.measured(median(rates))
    yield SHARE.measured(median(rates) / median(ceilings))
    yield CALLS.measured(median(calls))
    yield CPU.measured(median(cpu))


async def raw(stage: Stage, prefix: str, count: int) -> float:
    """Give the seconds that the same number of bare creations takes."""
    begun = time.perf_counter()
    await stage.load.create_many(RAW, prefix, count, NOOP)
    return time.perf_counter() - begun


async def enqueued(service: ActionsProcess, run: str, count: int) -> float:
    """Give the seconds that a parent and its children take; all callers share a client, as the SDK's workers do."""
    async with ActionsServiceClient(service.url, send_compression=GzipCompression()) as client:
        await client.enqueue(request(run, "a0", None))
        names = iter([f"c{number}" for number in range(count)])
        begun = time.perf_counter()

        async def caller() -> None:
            for name in names:
                await client.enqueue(request(run, name, "a0"))

        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(caller())
        return time.perf_counter() - begun


def request(run: str, name: str, parent: str | None) -> EnqueueRequest:
    """Give a request as the SDK's: a template with a container, its arguments and some environment."""
    where = RunIdentifier(org="bench", project="bench", domain="bench", name=run)
    action = Action(
        action_id=ActionIdentifier(run=where, name=name), input_uri="s3://bench/in", run_output_base="s3://bench/out"
    )
    if parent is not None:
        action.parent_action_name = parent
    template = action.task.spec.task_template
    template.type = "noop"
    template.container.image = "bench:latest"
    template.container.args.extend(["a0", "--inputs", "{{.input}}", "--outputs-path", "{{.outputPrefix}}"])
    return EnqueueRequest(action=action)


GROUP = Group("enqueue", (RATE, SHARE, CALLS, CPU), measure)
