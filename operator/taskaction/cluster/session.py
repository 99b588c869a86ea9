"""HTTP clients of the API server: rotating credentials, and the freshness of watches."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import aiohttp

from taskaction.cluster.credentials import Credentials
from taskaction.cluster.http_connection import WholeResponse
from taskaction.cluster.http_pool import HttpPool
from taskaction.cluster.streams import ListStream, WatchStream
from taskaction.core.clock import Clock


class Freshness:
    """Time of the last bytes of each watch, measured in the stream because bookmarks do not reach a handler.

    Also reports when a collection is listed again, since no event reports objects that were deleted before that list.
    """

    def __init__(self, clock: Clock, relisted: Callable[[str], None]) -> None:
        self._clock = clock
        self._relisted = relisted
        self._heard: dict[str, float] = {}
        self._watched: set[str] = set()

    def ages(self) -> dict[str, float]:
        """Return the seconds since the last bytes of each watched path."""
        now = self._clock.monotonic()
        return {path: now - heard for path, heard in self._heard.items() if path in self._watched}

    @property
    def watched_paths(self) -> frozenset[str]:
        """Paths whose first list has ended and whose watch has started."""
        return frozenset(self._watched)

    def record_bytes(self, path: str) -> None:
        """Record that bytes of this path's watch have arrived."""
        self._heard[path] = self._clock.monotonic()

    def record_request(self, path: str, *, watch: bool) -> None:
        """Record that a list or watch of a path has started."""
        self.record_bytes(path)
        if watch:
            self._watched.add(path)
        elif path in self._watched:
            self._relisted(path)


class AuthorizedPool:
    """Pool of connections whose requests have the current credentials, see ``HttpPool``."""

    def __init__(self, credentials: Credentials, *, in_flight: int = 0) -> None:
        """Create a pool; at most ``in_flight`` requests are under way, 0 is unlimited."""
        self._credentials = credentials
        self._pool = HttpPool(credentials.server, tls=credentials.ssl_context(), limit=in_flight)

    async def request(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None = None, timeout: float
    ) -> WholeResponse:
        """Send a request and return the whole response, whatever its code is; see ``HttpPool.request``."""
        token = await self._credentials.refresh()
        if token is not None:
            headers = {**headers, "Authorization": token}
        response = await self._pool.request(method, target, headers=headers, body=body, timeout=timeout)
        await self._credentials.on_response(response.code)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class TokenPool:
    """Pool that others use, too, whose requests have one token."""

    def __init__(self, pool: HttpPool, token: str) -> None:
        self._pool = pool
        self._authorization = {"Authorization": f"Bearer {token}"}

    async def request(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None = None, timeout: float
    ) -> WholeResponse:
        """Send a request and return the whole response, whatever its code is; see ``HttpPool.request``."""
        headers = {**headers, **self._authorization}
        return await self._pool.request(method, target, headers=headers, body=body, timeout=timeout)


def open_session(
    credentials: Credentials,
    *,
    freshness: Freshness | None = None,
    is_noise: Callable[[bytes], bool] = lambda _: False,
) -> aiohttp.ClientSession:
    """Return a session for watches and other long responses, whose requests have the current credentials.

    ``freshness`` records lists and watches; watch events for which ``is_noise`` returns True are dropped.
    """
    connector = aiohttp.TCPConnector(limit=0, ssl=credentials.ssl_context())

    async def with_credentials(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        token = await credentials.refresh()
        if token is not None:
            request.headers["Authorization"] = token
        response = await handler(request)
        await credentials.on_response(response.status)
        return response

    middlewares: list[aiohttp.ClientMiddlewareType] = [with_credentials]
    if freshness is not None:
        middlewares.append(_measuring_middleware(freshness, is_noise))
    return aiohttp.ClientSession(connector=connector, middlewares=tuple(middlewares), trust_env=False)


def _measuring_middleware(freshness: Freshness, is_noise: Callable[[bytes], bool]) -> aiohttp.ClientMiddlewareType:
    async def measure(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        path = request.url.path
        is_watch = request.url.query.get("watch") == "true"
        response = await handler(request)
        if request.method == "GET" and response.status == HTTPStatus.OK:
            freshness.record_request(path, watch=is_watch)
            stream: Any = ListStream(response.content)
            if is_watch:
                stream = WatchStream(response.content, lambda: freshness.record_bytes(path), is_noise)
            response.content = stream
        return response

    return measure
