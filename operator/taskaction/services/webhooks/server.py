"""HTTP server of the endpoints; it limits sizes, times and numbers before it reads anything; knows no provider."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from taskaction.core.clock import Clock
from taskaction.plugin.base import WebhookRequest
from taskaction.runtime.connections import ConnectionLimits
from taskaction.runtime.listening import ListenAddress, start_sites
from taskaction.services.webhooks import responses
from taskaction.services.webhooks.endpoints import Endpoints
from taskaction.services.webhooks.responses import WebhookResponse

BODY_LIMIT_BYTES = 1024 * 1024
"""Maximum size of a body; the limit of what is stored is lower."""

_Check = Callable[[WebhookRequest], Awaitable[WebhookResponse | None]]
"""Returns the refusal of a request by its head, before its body is read."""
_Answer = Callable[[WebhookRequest], Awaitable[WebhookResponse]]
_REAP_SECONDS = 1.0
_SHOWN_CHARS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookServerSettings:
    """Limits of the server.

    Attributes:
        bind: address and port, and the setting that chose them.
        patience: timeout in seconds of a request, and of an idle connection.
        requests: maximum number of concurrent requests; further ones get 503 with Retry-After.
        connections: maximum number of connections; idle ones above it are closed.
        connections_per_source: maximum number of connections from one address.
    """

    bind: ListenAddress
    patience: float = 15.0
    requests: int = 64
    connections: int = 1024
    connections_per_source: int = 256


class WebhookServer:
    """HTTP server for webhooks."""

    def __init__(
        self,
        settings: WebhookServerSettings,
        clock: Clock,
        endpoints: Endpoints,
        answered: Callable[[str, str, WebhookResponse, float], None],
    ) -> None:
        """Create a server; it calls ``answered`` with kind of address, address, response and seconds."""
        self._settings = settings
        self._clock = clock
        self._endpoints = endpoints
        self._answered = answered
        self._under_way: set[RequestHandler] = set()
        self._idle_since: dict[RequestHandler, float] = {}
        app = web.Application(client_max_size=BODY_LIMIT_BYTES)
        app.add_routes(
            [
                web.post("/providers/{namespace}/{name}", self._provider),
                web.post("/cluster-providers/{name}", self._cluster_provider),
                web.post("/integration/{path:.+}", self._integration),
                web.post("/callbacks/{token}", self._callback),
            ]
        )
        self._runner = web.AppRunner(
            app, access_log=None, auto_decompress=False, shutdown_timeout=settings.patience, lingering_time=2.0
        )

    async def start(self) -> None:
        """Listen; raises ``ConfigurationError`` if the address is not available."""
        # Above the limit, idle connections are closed first, so that senders with requests still find room.
        limits = ConnectionLimits(
            total=self._settings.connections + self._settings.requests,
            per_source=self._settings.connections_per_source,
        )
        await start_sites(self._runner, self._settings.bind, limits)

    async def stop(self) -> None:
        """Stop listening and wait for requests in progress."""
        await self._runner.cleanup()

    async def run(self) -> None:
        """Close idle connections, and those above the limit, until cancelled."""
        while True:
            await self._clock.sleep(_REAP_SECONDS)
            self._reap()

    def _reap(self) -> None:
        server, now = self._runner.server, self._clock.monotonic()
        if server is None:
            return
        idle = [one for one in server.connections if one not in self._under_way]
        self._idle_since = {one: self._idle_since.get(one, now) for one in idle}
        late = [one for one, since in self._idle_since.items() if now - since > self._settings.patience]
        excess = len(server.connections) - self._settings.connections
        for one in (*late, *idle[: max(0, excess - len(late))]):
            _close(one)

    # -- addresses ----------------------------------------------------------------------------------------------------

    async def _provider(self, request: web.Request) -> web.Response:
        place = request.match_info["namespace"], request.match_info["name"]
        check, serve = self._endpoints.check_provider, self._endpoints.serve_provider
        return await self._serve("provider", request, partial(check, *place), partial(serve, *place))

    async def _cluster_provider(self, request: web.Request) -> web.Response:
        place = "", request.match_info["name"]
        check, serve = self._endpoints.check_provider, self._endpoints.serve_provider
        return await self._serve("provider", request, partial(check, *place), partial(serve, *place))

    async def _integration(self, request: web.Request) -> web.Response:
        path = "/" + request.match_info["path"]
        check, serve = self._endpoints.check_integration, self._endpoints.serve_integration
        return await self._serve("integration", request, partial(check, path), partial(serve, path))

    async def _callback(self, request: web.Request) -> web.Response:
        token = request.match_info["token"]
        check, serve = self._endpoints.check_callback, self._endpoints.serve_callback
        return await self._serve("callback", request, partial(check, token), partial(serve, token))

    async def _serve(self, kind: str, request: web.Request, check: _Check, answer: _Answer) -> web.Response:
        started = self._clock.monotonic()
        protocol = request.protocol
        if len(self._under_way) >= self._settings.requests:
            found = responses.busy_response(HTTPStatus.SERVICE_UNAVAILABLE, "too many concurrent requests; retry later")
        else:
            self._under_way.add(protocol)
            try:
                found = await self._read_and_respond(request, check, answer)
            finally:
                self._under_way.discard(protocol)
                self._idle_since.pop(protocol, None)
        where = kind if kind == "callback" else request.path[:_SHOWN_CHARS]
        self._answered(kind, where, found, self._clock.monotonic() - started)
        response = _response(found)
        if not request.content.is_eof():
            response.force_close()  # the rest of the body is not worth reading
        return response

    async def _read_and_respond(self, request: web.Request, check: _Check, answer: _Answer) -> WebhookResponse:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return responses.refused_response(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body without Content-Encoding"
            )
        if (request.content_length or 0) > BODY_LIMIT_BYTES:
            return _too_large()
        head = WebhookRequest(path=request.path, headers=_headers(request), content=b"", body=None)
        if (refused := await check(head)) is not None:
            return refused
        try:
            async with asyncio.timeout(self._settings.patience):
                content = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _too_large()
        except TimeoutError:
            return responses.refused_response(HTTPStatus.REQUEST_TIMEOUT, "timeout while reading the body")
        return await answer(replace(head, content=content))


def _headers(request: web.Request) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        lower, text = name.lower(), value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        headers[lower] = f"{headers[lower]}, {text}" if lower in headers else text
    return headers


def _too_large() -> WebhookResponse:
    return responses.refused_response(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than the limit of {BODY_LIMIT_BYTES} bytes"
    )


def _response(answer: WebhookResponse) -> web.Response:
    headers = {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}
    if answer.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="taskaction"'
    body = {"result": answer.result} | ({"message": answer.message} if answer.message else {})
    return web.json_response(body, status=answer.status, headers=headers)


def _close(connection: RequestHandler) -> None:
    with suppress(Exception):
        connection.force_close()
        if connection.transport is not None:
            connection.transport.abort()
