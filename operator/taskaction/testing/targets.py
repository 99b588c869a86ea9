"""A real HTTP server on loopback with configurable responses, good or bad; it records its requests."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True)
class ReceivedRequest:
    """Request as the server received it; requests with the same ``client_port`` came by one connection."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    client_port: int = 0

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body)


@dataclass
class HttpServer:
    """Serves while the block lasts; each ``METHOD /path`` gives its answers in turn, and the last one ever after."""

    seen: list[ReceivedRequest] = field(default_factory=list)
    url: str = ""
    port: int = 0
    _answers: dict[str, list[Handler]] = field(default_factory=dict)

    def on(self, line: str, *answers: Handler) -> None:
        """Set the responses to a request, for example ``on("GET /ping", says("pong"))``."""
        self._answers[line] = list(answers)

    def asked(self, line: str) -> list[ReceivedRequest]:
        """Return the requests for ``METHOD /path``."""
        return [seen for seen in self.seen if f"{seen.method} {seen.target.partition('?')[0]}" == line]

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        names = {name.lower(): value for name, value in request.headers.items()}
        port = _transport(request).get_extra_info("peername")[1]
        self.seen.append(
            ReceivedRequest(method=request.method, target=request.raw_path, headers=names, body=body, client_port=port)
        )
        answers = self._answers.get(f"{request.method} {request.path}")
        if not answers:
            return web.Response(status=404, text=f"nothing at {request.method} {request.path}")
        handler = answers.pop(0) if len(answers) > 1 else answers[0]
        return await handler(request)


def says(
    value: Any = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> Handler:
    """Answer with a value: bytes and text as they are, everything else as JSON."""
    body = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else orjson.dumps(value)

    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=headers, content_type=content_type)

    return handler


def redirects(where: str, status: int = 302) -> Handler:
    """Send the client elsewhere."""
    return says(b"", status, {"Location": where})


async def hangs(_: web.BaseRequest) -> web.StreamResponse:
    """Never answer; the server's end takes it down."""
    await asyncio.Event().wait()
    return web.Response()


async def hangs_up(request: web.BaseRequest) -> web.StreamResponse:
    """Close the connection without a word."""
    _transport(request).abort()
    return web.Response()


async def breaks_off(request: web.BaseRequest) -> web.StreamResponse:
    """Announce a thousand bytes, send ten, and reset the connection."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"half": 1')
    _transport(request).abort()
    return response


async def trickles(request: web.BaseRequest) -> web.StreamResponse:
    """Send the head at once and a byte now and then, forever."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.02)


def floods(chunk: bytes = b"x" * 65536) -> Handler:
    """Send forever, as fast as it is taken."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(chunk)

    return handler


def _transport(request: web.BaseRequest) -> asyncio.Transport:
    if request.transport is None:
        raise ConnectionError("the client is gone already")
    return request.transport
