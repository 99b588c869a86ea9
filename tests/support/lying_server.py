"""An API server that lies: hands requests on to the real one, and answers, delays, loses or freezes what it is told to.

It speaks plain HTTP on loopback and adds the token of its kubeconfig itself, so a client of it needs no credentials.
"""

import asyncio
import json
import ssl
import threading
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

Answer = Callable[[web.Request, "LyingServer"], Any]
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "host"})


@dataclass
class Lie:
    """What is done to the requests whose `METHOD path?query` holds all of `words`; the first `times` of them."""

    words: tuple[str, ...]
    answer: Answer
    times: int = 1
    told: int = 0

    def takes(self, line: str) -> bool:
        """Take the request, if there are lies left."""
        if self.told >= self.times or not all(word in line for word in self.words):
            return False
        self.told += 1
        return True


@dataclass
class LyingServer:
    """Runs in a thread of its own while the block lasts."""

    kubeconfig: Path
    lies: list[Lie] = field(default_factory=list)
    url: str = ""
    lines: list[str] = field(default_factory=list)
    _watching: list[web.Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._open = threading.Event()
        self._over = asyncio.Event()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="lying server", daemon=True)
        self._thread.start()
        assert self._open.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def tell(self, *words: str, answer: Answer, times: int = 1) -> Lie:
        """Lie about the next requests whose line holds all of `words`."""
        lie = Lie(words, answer, times)
        self.lies.append(lie)
        return lie

    def count(self, *words: str) -> int:
        """Return the number of requests until now whose line holds all of `words`."""
        return sum(all(word in line for word in words) for line in list(self.lines))

    def freeze_watches(self) -> None:
        """Let no byte of any watch through, with the connections open: nobody is told."""
        self._loop.call_soon_threadsafe(self._thawed.clear)

    def hang_up_watches(self) -> None:
        """Close all connections of watches, and let new ones through."""
        self._loop.call_soon_threadsafe(self._hang_up)

    def _hang_up(self) -> None:
        self._thawed.set()
        for request in self._watching:
            if request.transport is not None:
                request.transport.abort()
        self._watching.clear()

    def thaw_watches(self) -> None:
        """Let new watches through; what is frozen stays silent."""
        self._loop.call_soon_threadsafe(self._thawed.set)

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig that leads here."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lying",
            "clusters": [{"name": "lying", "cluster": {"server": self.url}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "lying", "context": {"cluster": "lying", "user": "nobody"}}],
        }
        path.write_text(yaml.safe_dump(content))
        return path

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server, trust, self._token = _target(self.kubeconfig)
        connector = TCPConnector(limit=0, ssl=trust)
        async with ClientSession(connector=connector, timeout=ClientTimeout(total=None), auto_decompress=False) as out:

            async def answer(request: web.Request) -> web.StreamResponse:
                line = f"{request.method} {request.path_qs}"
                self.lines.append(line)
                for lie in self.lies:
                    if lie.takes(line):
                        told: web.StreamResponse = await lie.answer(request, self)
                        return told
                try:
                    return await self._hand_on(request, out, server)
                except ConnectionError:  # the client is gone
                    return web.Response()

            runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
            self._open.set()
            await self._over.wait()
            await runner.cleanup()

    async def _hand_on(self, request: web.Request, out: ClientSession, server: str) -> web.StreamResponse:
        headers = _headers(request, self._token)
        data = await request.read() or None
        is_watch = request.query.get("watch") == "true"
        if is_watch:
            await self._thawed.wait()
            self._watching.append(request)
        async with out.request(request.method, server + request.path_qs, headers=headers, data=data) as answer:
            told = web.StreamResponse(status=answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in _HOP_BY_HOP - {"content-encoding"}:
                    told.headers[name] = value
            await told.prepare(request)
            async for chunk in answer.content.iter_any():
                if is_watch and not self._thawed.is_set():
                    await asyncio.Event().wait()  # until the client gives up
                await told.write(chunk)
            await told.write_eof()
            return told


def refuse(code: int, reason: str = "Lie", *, retry_after: str | None = None) -> Answer:
    """Answer with an error, as the API server would."""

    async def answer(_: web.Request, __: LyingServer) -> web.Response:
        status = {"kind": "Status", "status": "Failure", "reason": reason, "message": f"a lie: {code}", "code": code}
        headers = {"Retry-After": retry_after} if retry_after is not None else {}
        return web.Response(
            status=code, body=json.dumps(status).encode(), headers=headers, content_type="application/json"
        )

    return answer


async def say_nothing(request: web.Request, _: LyingServer) -> None:
    """Keep the connection open and never answer: half-open."""
    await asyncio.Event().wait()


async def hang_up(request: web.Request, _: LyingServer) -> web.Response:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def speak_html(_: web.Request, __: LyingServer) -> web.Response:
    """Answer like a load balancer that has lost its server."""
    return web.Response(status=502, text="<html>502 Bad Gateway</html>", content_type="text/html")


async def expire(_: web.Request, __: LyingServer) -> web.Response:
    """Answer a watch with the error event that ends it: its history is gone."""
    status = {"kind": "Status", "status": "Failure", "reason": "Expired", "message": "a lie: too old", "code": 410}
    event = {"type": "ERROR", "object": status}
    return web.Response(body=json.dumps(event).encode() + b"\n", content_type="application/json")


def do_it_and_say_nothing(kubeconfig: Path) -> Answer:
    """Have the request done by the real server, and lose the answer."""
    return do_it_first(kubeconfig, hang_up)


def do_it_and_never_answer(kubeconfig: Path) -> Answer:
    """Have the request done by the real server, and keep the connection open without an answer."""
    return do_it_first(kubeconfig, say_nothing)


def do_it_first(kubeconfig: Path, then: Answer) -> Answer:
    """Have the request done by the real server, and answer as `then` does."""
    server, trust, token = _target(kubeconfig)

    async def answer(request: web.Request, lying: LyingServer) -> web.Response:
        headers = _headers(request, token)
        data = await request.read()
        async with (
            ClientSession(connector=TCPConnector(ssl=trust)) as out,
            out.request(request.method, server + request.path_qs, headers=headers, data=data) as done,
        ):
            await done.read()
        return await then(request, lying)

    return answer


def _headers(request: web.Request, token: str) -> dict[str, str]:
    """Give what is sent on: the client's own headers, with the token for whatever it said of itself."""
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
    return {**headers, "Authorization": f"Bearer {token}"}


def _target(kubeconfig: Path) -> tuple[str, ssl.SSLContext, str]:
    """Give the real server's address, how to trust it, and the token to show."""
    content = yaml.safe_load(kubeconfig.read_text())
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    trust = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
    return cluster["server"], trust, user["token"]
