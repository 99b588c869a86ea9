"""The world outside, as far as the benchmark needs it: counts every effect it is asked for, and when."""

import asyncio
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Effect:
    """Something that was done for an action; the moment is monotonic."""

    name: str
    at: float


@dataclass
class Counter:
    """An HTTP server on loopback in a thread of its own.

    `POST /once/NAME` is an effect each time; `POST /jobs/NAME` starts a job, `GET /jobs/NAME` says that it is running.
    """

    seconds: float = 0.05
    """How long an effect takes."""
    effects: list[Effect] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Start it."""
        self._ready, self._port = threading.Event(), 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="counter", daemon=True)
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the counter does not start")
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def once(self, name: str) -> dict[str, Any]:
        """Give the spec of an action that must not be repeated."""
        return {"executor": "http", "parameters": {"method": "POST", "url": f"{self._url}/once/{name}"}}

    def job(self, name: str) -> dict[str, Any]:
        """Give the spec of an action that goes on outside, without end."""
        polling = {
            "url": f"{self._url}/jobs/{{{{ externalId }}}}",
            "externalId": "{{ response.body.id }}",
            "success": {"path": "state", "equals": "done"},
            "interval": "500ms",
            "maxInterval": "1s",
        }
        parameters = {"method": "POST", "url": f"{self._url}/jobs/{name}", "polling": polling}
        return {"executor": "http", "parameters": parameters}

    @property
    def _url(self) -> str:
        return f"http://{HOST}:{self._port}"

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_post("/once/{name}", self._once)
        app.router.add_post("/jobs/{name}", self._job)
        app.router.add_get("/jobs/{name}", self._job)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        self._port = runner.addresses[0][1]
        self._ready.set()
        await self._over.wait()
        await runner.cleanup()

    async def _once(self, request: web.Request) -> web.Response:
        self.effects.append(Effect(request.match_info["name"], time.monotonic()))
        await asyncio.sleep(self.seconds)
        return web.json_response({})

    async def _job(self, request: web.Request) -> web.Response:
        return web.json_response({"id": request.match_info["name"], "state": "running"})
