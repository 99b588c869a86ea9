"""HTTP sessions to the API server: rotating credentials, and how fresh each watch is; knows no verbs."""

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import aiohttp

from taskaction.cluster.credentials import Credentials
from taskaction.cluster.streams import ListStream, WatchStream
from taskaction.core.clock import Clock
from taskaction.core.errors import ConfigurationError


class Freshness:
    """When each watch was last heard of, measured at its bytes: bookmarks reach no handler (design, section 5).

    Also tells when a collection is listed again, since what vanished before that list is reported by nobody.
    """

    def __init__(self, clock: Clock, relisted: Callable[[str], None]) -> None:
        self._clock = clock
        self._relisted = relisted
        self._heard: dict[str, float] = {}
        self._watched: set[str] = set()

    def ages(self) -> dict[str, float]:
        """Give the seconds since each watched path was last heard of."""
        now = self._clock.monotonic()
        return {path: now - heard for path, heard in self._heard.items() if path in self._watched}

    @property
    def watched(self) -> frozenset[str]:
        """The paths whose first list is over and whose watch has begun."""
        return frozenset(self._watched)

    def heard(self, path: str) -> None:
        """Take note that bytes of this path's watch have arrived."""
        self._heard[path] = self._clock.monotonic()

    def requested(self, path: str, *, watch: bool) -> None:
        """Take note that a path is listed or watched from now on."""
        self.heard(path)
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
    """Give a session whose requests carry the present credentials.

    ``in_flight`` caps connections, 0 for no cap; ``freshness`` is told of what arrives; events of watches for which
    ``is_noise`` says true are left out.
    """
    connector = aiohttp.TCPConnector(limit=in_flight, ssl=credentials.ssl_context(), keepalive_timeout=60)

    async def with_credentials(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if credentials.stale:
            await credentials.refresh()
        token = credentials.authorization()
        if token is not None:
            request.headers["Authorization"] = token
        response = await handler(request)
        if response.status == HTTPStatus.UNAUTHORIZED:
            with suppress(ConfigurationError):  # a file that is being written: the next refusal tries again
                await credentials.renew()
        return response

    middlewares: list[aiohttp.ClientMiddlewareType] = [with_credentials]
    if freshness is not None:
        middlewares.append(_measured(freshness, is_noise))
    return aiohttp.ClientSession(connector=connector, middlewares=tuple(middlewares), trust_env=False)


def _measured(freshness: Freshness, is_noise: Callable[[bytes], bool]) -> aiohttp.ClientMiddlewareType:
    async def measure(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        path = request.url.path
        is_watch = request.url.query.get("watch") == "true"
        response = await handler(request)
        if request.method == "GET" and response.status == HTTPStatus.OK:
            freshness.requested(path, watch=is_watch)
            stream: Any = ListStream(response.content)
            if is_watch:
                stream = WatchStream(response.content, lambda: freshness.heard(path), is_noise)
            response.content = stream
        return response

    return measure
