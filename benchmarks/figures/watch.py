"""How fast a change reaches whoever watches, and what a watch costs in memory and requests."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

import orjson
from connectrpc.compression.gzip import GzipCompression
from flyteidl2.actions.actions_service_connect import ActionsServiceClient
from flyteidl2.actions.actions_service_pb2 import WatchForUpdatesRequest

from benchmarks.figures.actions_process import ActionsProcess
from benchmarks.figures.enqueue import request
from benchmarks.figures.group import Group
from benchmarks.figures.latency import quantile
from benchmarks.load import ACTIONS
from benchmarks.metrics import memory_of
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import WORK, Stage
from benchmarks.watching import View
from cluster.errors import ClusterError
from taskaction.integrations.flyte.service.naming import object_name

WATCHERS = 50
CHANGES = 3000
PER_SECOND = 100.0
MANY = 500
TIMEOUT = 60.0
_MARK = re.compile(rb'"outputUri":"(mark-[0-9]+)"')
P50 = Figure("watch_p50_ms", "ms", Target(10))
P99 = Figure("watch_p99_ms", "ms", Target(100))
BARE = Figure("watch_bare_p99_ms", "ms")
ADDED = Figure("watch_added_p99_ms", "ms")
EACH = Figure("watch_kb_each", "KB", Target(100))
CALLS = Figure("watch_api_calls", "calls", Target(0))


def measure(stage: Stage) -> Iterator[Row]:
    """Change children of 50 watched parents 100 times a second; then add 500 watches, one of which reads nothing."""
    with ActionsProcess(stage) as service:
        seen, calls = stage.run(changes(stage, service))
        latencies = [one.told for one in seen]
        for what, values in (
            ("told", latencies),
            ("seen by a bare watch", [one.bare for one in seen]),
            ("between the two", [one.added for one in seen]),
        ):
            text = f"p50 {quantile(values, 0.5):.1f} ms, p99 {quantile(values, 0.99):.1f} ms"
            stage.say(f"{CHANGES} changes to {WATCHERS} watchers, {what}: {text}, longest {max(values):.1f} ms")
        each = stage.run(memory(stage, service))
    yield P50.measured(quantile(latencies, 0.5))
    yield P99.measured(quantile(latencies, 0.99))
    yield BARE.measured(quantile([one.bare for one in seen], 0.99))
    yield ADDED.measured(quantile([one.added for one in seen], 0.99))
    yield CALLS.measured(calls)
    yield EACH.measured(each)


@dataclass(frozen=True, slots=True)
class Seen:
    """Milliseconds from the sending of a change until a client was told, and until a bare watch of the same had it."""

    told: float
    bare: float

    @property
    def added(self) -> float:
        """What the service has added."""
        return max(0.0, self.told - self.bare)


async def changes(stage: Stage, service: ActionsProcess) -> tuple[list[Seen], float]:
    """Give how long each change took, and the API requests of each watch."""
    runs = [f"watched{number}" for number in range(WATCHERS)]
    async with ActionsServiceClient(service.url, send_compression=GzipCompression()) as client:
        for run in runs:
            await client.enqueue(request(run, "a0", None))
            await client.enqueue(request(run, "child", "a0"))
    before = service.api_calls()
    watchers = Watchers(service.url)
    for run in runs:
        watchers.follow(run)
    await watchers.ready()
    calls = (service.api_calls() - before) / WATCHERS
    names = [child_of(run) for run in runs]
    sent: dict[str, float] = {}
    bare: dict[str, float] = {}

    def note(line: bytes) -> None:
        if (found := _MARK.search(line)) is not None:
            bare.setdefault(found[1].decode(), time.perf_counter())

    beside = asyncio.Event()
    comparing = asyncio.create_task(stage.load.follow(View(ACTIONS.path(WORK)), note, beside))
    await beside.wait()
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(CHANGES):
            if (ahead := begun + number / PER_SECOND - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            mark = f"mark-{number}"
            sent[mark] = time.perf_counter()
            group.create_task(stage.load.merge_status(WORK, names[number % WATCHERS], changed(mark)))
    last = [f"mark-{number}" for number in range(CHANGES - WATCHERS, CHANGES)]
    await until(lambda: all(mark in watchers.told for mark in last), "the last change of each child to be told")
    await watchers.close()
    await until(lambda: last[-1] in bare, "a bare watch to have seen the last change")
    comparing.cancel()
    told = watchers.told
    moments = [(mark, moment) for mark, moment in sent.items() if mark in told and mark in bare]
    return [Seen((told[mark] - moment) * 1000, (bare[mark] - moment) * 1000) for mark, moment in moments], calls


async def memory(stage: Stage, service: ActionsProcess) -> float:
    """Give the kilobytes of each of 500 watches on one parent whose child changes."""
    before = memory_of(service.program.pid)
    watchers = Watchers(service.url)
    for _ in range(MANY):
        watchers.follow("watched0")
    stalled = await stalled_watch(service, "watched0")
    await watchers.ready()
    for number in range(20):
        await stage.load.merge_status(WORK, child_of("watched0"), changed(f"many-{number}"))
    await until(lambda: "many-19" in watchers.told, "the others to go on beside a watch that reads nothing")
    after = memory_of(service.program.pid)
    await watchers.close()
    stalled.close()
    stage.say(f"{MANY} watches: {before:.0f} MB before, {after:.0f} MB with them")
    return (after - before) * 1024 / MANY


def child_of(run: str) -> str:
    """Give the object's name of a run's child."""
    return object_name("bench", "bench", "bench", run, "child")


def changed(mark: str) -> bytes:
    """Give the merge patch of a status that a client sees."""
    return orjson.dumps({"status": {"phase": "Running", "outputUri": mark}})


async def stalled_watch(service: ActionsProcess, run: str) -> asyncio.StreamWriter:
    """Begin a watch over a connection that is never read."""
    where = {"org": "bench", "project": "bench", "domain": "bench", "name": run}
    body = orjson.dumps({"parentActionId": {"run": where, "name": "a0"}})
    framed = b"\0" + len(body).to_bytes(4, "big") + body
    host, _, port = service.url.removeprefix("http://").rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1)
    head = (
        "POST /flyteidl2.actions.ActionsService/WatchForUpdates HTTP/1.1\r\nHost: bench\r\n"
        f"Content-Type: application/connect+json\r\nContent-Length: {len(framed)}\r\n\r\n"
    )
    writer.write(head.encode() + framed)
    await writer.drain()
    return writer


class Watchers:
    """Clients that note when they are told of a change."""

    def __init__(self, url: str) -> None:
        """Follow nobody yet."""
        self._url = url
        self._tasks: list[asyncio.Task[None]] = []
        self._ready = 0
        self.told: dict[str, float] = {}

    def follow(self, run: str) -> None:
        """Follow the children of a run's root."""
        self._tasks.append(asyncio.create_task(self._follow(run)))

    async def ready(self) -> None:
        """Return when each has its sentinel."""
        await until(lambda: self._ready == len(self._tasks), "the watches to begin")

    async def close(self) -> None:
        """End them all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, run: str) -> None:
        root = request(run, "a0", None).action.action_id
        async with (
            ActionsServiceClient(self._url, send_compression=GzipCompression()) as client,
            aclosing(client.watch_for_updates(WatchForUpdatesRequest(parent_action_id=root))) as stream,
        ):
            async for response in stream:
                if response.HasField("control_message"):
                    self._ready += response.control_message.sentinel
                elif response.action_update.output_uri:
                    self.told[response.action_update.output_uri] = time.perf_counter()


async def until(is_so: Callable[[], bool], what: str) -> None:
    """Return when it is so; raises ``ClusterError`` after a minute."""
    try:
        async with asyncio.timeout(TIMEOUT):
            while not is_so():  # noqa: ASYNC110 - what it waits for is told by several tasks
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise ClusterError(f"waited {TIMEOUT:.0f} s for {what}") from None


GROUP = Group("watch", (P50, P99, BARE, ADDED, CALLS, EACH), measure)
