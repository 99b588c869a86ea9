"""HTTP server of the history: bounds requests, authenticates callers, and turns results and errors into responses."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

from taskaction.cluster.errors import ClusterError
from taskaction.core.clock import Clock
from taskaction.history.errors import HistoryError
from taskaction.runtime.connections import ConnectionLimits
from taskaction.runtime.listening import ListenAddress, start_sites
from taskaction.services.history.access import HistoryAccess
from taskaction.services.history.endpoints import Answer, HistoryEndpoints, HistoryRequest
from taskaction.services.history.errors import RequestError
from taskaction.services.history.recorder import HistoryServeRecorder

_BODY_BYTES = 1024
_RETRY_SECONDS = 1
_AGE_SECONDS = 600.0
"""Age after which a connection is closed, whatever it does: a half-sent request must not hold it forever."""
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryServerSettings:
    """Bounds of the server.

    Attributes:
        bind: address and port, and the setting that chose them.
        requests: maximum number of concurrent requests; ``per_caller`` is that of one caller.
        connections: how many connections there may be.
    """

    bind: ListenAddress
    requests: int
    per_caller: int
    connections: ConnectionLimits


class HistoryServer:
    """HTTP server of the endpoints."""

    def __init__(
        self,
        settings: HistoryServerSettings,
        access: HistoryAccess,
        endpoints: HistoryEndpoints,
        recorder: HistoryServeRecorder,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._access = access
        self._recorder = recorder
        self._clock = clock
        self._under_way = 0
        self._by_caller: Counter[str] = Counter()
        app = web.Application(client_max_size=_BODY_BYTES)
        one = "/v1/namespaces/{namespace}/objects/{uid}"
        app.add_routes(
            [
                web.get("/v1/objects", self._serve("list", endpoints.list), allow_head=False),
                web.delete("/v1/objects", self._serve("delete", endpoints.delete)),
                web.get(one, self._serve("show", endpoints.show), allow_head=False),
                web.get(f"{one}/tree", self._serve("tree", endpoints.tree), allow_head=False),
                web.get("/v1/statistics", self._serve("statistics", endpoints.statistics), allow_head=False),
                web.get("/v1/providers", self._serve("providers", endpoints.providers), allow_head=False),
                web.route("*", "/{other:.*}", self._serve("other", _refuse_address)),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=15.0)

    async def start(self) -> None:
        """Listen; raises ``ConfigurationError`` if the address is not available."""
        limits = self._settings.connections
        await start_sites(
            self._runner,
            self._settings.bind,
            ConnectionLimits(total=limits.total, per_source=limits.per_source, max_age=_AGE_SECONDS),
        )

    async def stop(self) -> None:
        """Stop listening and wait for requests in progress."""
        await self._runner.cleanup()

    def _serve(self, endpoint: str, answer: Answer) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            started, who = self._clock.monotonic(), _Who()
            try:
                with self._counted():
                    document, error = await self._answer(request, answer, who), None
            except Exception as found:  # noqa: BLE001 - whatever it is, the caller gets an answer
                document, error = {}, self._to_request_error(found)
            if endpoint == "delete" and document.get("deleted"):
                self._recorder.on_deleted(who.name, document["deleted"])
            status, why = (HTTPStatus.OK, "") if error is None else (error.status, str(error))
            self._recorder.on_answered(endpoint, who.name, status, why, self._clock.monotonic() - started)
            return _response(document) if error is None else _error_response(error)

        return handle

    async def _answer(self, request: web.Request, answer: Answer, who: "_Who") -> dict[str, Any]:
        caller = await self._access.authenticate(request.headers)
        who.name = caller.name
        with self._counted_by_caller(caller.name):
            query = list(request.query.items())
            return await answer(HistoryRequest(caller=caller, query=query, path=request.match_info))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._under_way >= self._settings.requests:
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE, "too many concurrent requests; retry later", _RETRY_SECONDS
            )
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    @contextmanager
    def _counted_by_caller(self, name: str) -> Iterator[None]:
        if self._by_caller[name] >= self._settings.per_caller:
            raise RequestError(
                HTTPStatus.TOO_MANY_REQUESTS, f"{name} has too many concurrent requests; retry later", _RETRY_SECONDS
            )
        self._by_caller[name] += 1
        try:
            yield
        finally:
            self._by_caller[name] -= 1
            if not self._by_caller[name]:
                del self._by_caller[name]

    def _to_request_error(self, error: Exception) -> RequestError:
        if isinstance(error, RequestError):
            return error
        if isinstance(error, ClusterError):
            self._recorder.on_task_failed("review a caller", error)
            return RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE, "the API server does not review the caller; retry later", _RETRY_SECONDS
            )
        if isinstance(error, HistoryError):
            self._recorder.on_database_failed(error)
            return RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the database does not answer, or the query takes too long: retry later, or narrow it by time",
                _RETRY_SECONDS,
            )
        self._recorder.on_task_failed("answer a request", error)
        return RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; see the log of the service")


class _Who:
    """Name of the caller of a request, once it is known."""

    name = ""


async def _refuse_address(request: HistoryRequest) -> dict[str, Any]:  # noqa: ARG001 - as all endpoints
    raise RequestError(HTTPStatus.NOT_FOUND, "unknown address or method; docs/history.md lists them")


def _response(document: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json", headers=_HEADERS)


def _error_response(error: RequestError) -> web.Response:
    headers = dict(_HEADERS)
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="taskaction"'
    body = orjson.dumps({"error": {"code": error.code, "message": str(error)}})
    return web.Response(status=error.status, body=body, content_type="application/json", headers=headers)
