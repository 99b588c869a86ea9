"""How fast an abort reaches everything below an action: from the root's deletion to the last executor that is told."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from benchmarks.figures.group import Group
from benchmarks.load import Load
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import WORK, Stage
from cluster.binaries import Say
from cluster.errors import ClusterError
from cluster.ports import HOST

CHILDREN = (8, 4, 5)
"""How many children each action of a level has: 8 + 32 + 160 descendants."""
DESCENDANTS = 200
ROOT = "root"
TIMEOUT = 60
POLL_SECONDS = 0.5
ABORT = Figure("abort_tree_s", "s", Target(2))


def measure(stage: Stage) -> Iterator[Row]:
    """Start a tree of http actions that a real server is asked to cancel, and delete its root."""
    with stage.operator():
        yield ABORT.measured(stage.run(abort(stage.load, stage.say)))


async def abort(load: Load, say: Say) -> float:
    """Give the seconds from the deletion until the last descendant's cancel has arrived."""
    async with outside() as server:
        parents = tree()
        say(f"a root with {len(parents) - 1} descendants on {len(CHILDREN)} levels")
        for name, parent in parents.items():
            await load.create(WORK, name, spec(server.url, name, parent))
        await until_running(load, len(parents))
        say("deleting the root")
        begun = time.perf_counter()
        await load.delete(WORK, ROOT)
        await server.told_all(set(parents) - {ROOT})
        return max(moment for name, moment in server.told.items() if name != ROOT) - begun


def tree(children: tuple[int, ...] = CHILDREN) -> dict[str, str | None]:
    """Give each action's parent, parents first."""
    parents: dict[str, str | None] = {ROOT: None}
    level = [ROOT]
    for count in children:
        below = [f"{parent}-{number}" for parent in level for number in range(count)]
        parents |= {name: name.rpartition("-")[0] for name in below}
        level = below
    return parents


def spec(url: str, name: str, parent: str | None) -> dict[str, Any]:
    """Give an action that starts something, waits for it without end, and knows how to stop it."""
    parameters = {
        "method": "POST",
        "url": f"{url}/start/{name}",
        "idempotencyHeader": "Idempotency-Key",
        "polling": {
            "url": f"{url}/state/{{{{ externalId }}}}",
            "externalId": "{{ response.body.id }}",
            "success": {"path": "state", "equals": "done"},
            "interval": "1h",
            "maxInterval": "1h",
        },
        "cancel": {"method": "POST", "url": f"{url}/cancel/{{{{ externalId }}}}"},
    }
    return {"executor": "http", "parameters": parameters} | ({"parentRef": {"name": parent}} if parent else {})


async def until_running(load: Load, count: int) -> None:
    """Return when it is on record of every action what was started for it."""
    try:
        async with asyncio.timeout(TIMEOUT):
            while True:
                found = await load.list(WORK)
                if sum("externalId" in item["status"] for item in found) >= count:
                    return
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise ClusterError(f"not all of {count} actions were running after {TIMEOUT} s") from None


@dataclass
class Outside:
    """The world outside, which notes when it is told to stop what."""

    url: str = ""
    told: dict[str, float] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self, request: web.Request) -> web.Response:
        """Start something that never ends by itself."""
        return web.json_response({"id": request.match_info["name"]})

    async def state(self, _: web.Request) -> web.Response:
        """Say that it goes on."""
        return web.json_response({"state": "running"})

    async def cancel(self, request: web.Request) -> web.Response:
        """Take note of the first time."""
        self.told.setdefault(request.match_info["name"], time.perf_counter())
        self._news.set()
        return web.json_response({})

    async def told_all(self, names: set[str]) -> None:
        """Return when all of them were to be stopped."""
        try:
            async with asyncio.timeout(TIMEOUT):
                while names - self.told.keys():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            missing = len(names - self.told.keys())
            raise ClusterError(f"{missing} of {len(names)} executors were not told within {TIMEOUT} s") from None


@asynccontextmanager
async def outside() -> AsyncIterator[Outside]:
    """Serve on loopback."""
    server = Outside()
    app = web.Application()
    app.add_routes(
        [
            web.post("/start/{name}", server.start),
            web.get("/state/{name}", server.state),
            web.post("/cancel/{name}", server.cancel),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}"
        yield server
    finally:
        await runner.cleanup()


GROUP = Group("abort", (ABORT,), measure)
