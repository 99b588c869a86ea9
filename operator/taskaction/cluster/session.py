"""HTTP sessions with the API server: rotating credentials, and the freshness of watches."""

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import aiohttp

from taskaction.cluster.connector import ShrinkingConnector
from taskaction.cluster.credentials import Credentials
from taskaction.cluster.streams import ListStream, WatchStream
from taskaction.core.clock import Clock
from taskaction.core.errors import ConfigurationError

_IDLE_SECONDS = 30.0
"""Time after which a connection that nobody used is closed; the API server itself does so after 90 s."""


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


def open_session(
    credentials: Credentials,
    *,
    in_flight: int = 0,
    freshness: Freshness | None = None,
    is_noise: Callable[[bytes], bool] = lambda _: False,
) -> aiohttp.ClientSession:
    """Return a session whose requests have the current credentials.

    ``in_flight`` limits the number of connections, 0 is unlimited; ``freshness`` records lists and watches; watch
    events for which ``is_noise`` returns True are dropped.
    """
    connector = ShrinkingConnector(limit=in_flight, ssl=credentials.ssl_context(), keepalive_timeout=_IDLE_SECONDS)

    async def with_credentials(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if credentials.is_stale:
            await credentials.refresh()
        token = credentials.authorization()
        if token is not None:
            request.headers["Authorization"] = token
        response = await handler(request)
        if response.status == HTTPStatus.UNAUTHORIZED:
            with suppress(ConfigurationError):  # the file is being written: the next 401 tries again
                await credentials.renew()
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
