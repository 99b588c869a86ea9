"""Requests to the API server: logs in, repeats what may be repeated, turns error responses into exceptions.

Every request of the client may be repeated: a creation is recognized by its request id, a change tests the uid.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from taskaction_client.credentials import Credentials
from taskaction_client.errors import (
    ConfigurationError,
    ExpiredError,
    InvalidError,
    UnauthorizedError,
    UnavailableError,
    error_from_response,
)

if TYPE_CHECKING:
    from taskaction_client.connection import Connection, Response

Body = dict[str, Any]
JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
PAGE = "500"
SILENCE_SECONDS = 75.0
"""How long a watch may be silent; the API server sends a bookmark each minute."""
WATCH_SECONDS = "290"
LONGEST_PAUSE = 5.0
LASTING_SECONDS = 10.0
"""After which time a watch counts as a success, although it was silent: proxies cut silent connections."""


def retry_delay(failures: int, retry_after: float | None, share: float) -> float:
    """Return the seconds until a request is repeated: as the server asks, otherwise 0.1 s that double up to 5 s.

    ``share`` of the second half, from 0 to 1, is left out at random, so that clients do not come back together.
    """
    grown = min(LONGEST_PAUSE, 0.1 * 2.0 ** min(failures - 1, 10))
    return float(max(retry_after or 0.0, grown * (1 - share / 2)))


class Pauses:
    """Pauses between failures in a row; gives up when they have lasted for ``limit`` seconds."""

    def __init__(self, limit: float, sleep: Callable[[float], Awaitable[None]], now: Callable[[], float]) -> None:
        self._limit = limit
        self._sleep = sleep
        self._now = now
        self._failures = 0
        self._since = 0.0

    def succeed(self) -> None:
        """Forget the failures until now."""
        self._failures = 0

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """Count what the block does as a success if it lasts, however it ends."""
        began = self._now()
        try:
            yield
        finally:
            if self._now() - began >= LASTING_SECONDS:
                self.succeed()

    async def pause(self, error: UnavailableError) -> None:
        """Wait before the next try; raise ``error`` if the tries have lasted too long."""
        now = self._now()
        if self._failures == 0:
            self._since = now
        self._failures += 1
        delay = retry_delay(self._failures, error.retry_after, random.random())  # noqa: S311 - no secret
        if now - self._since + delay > self._limit:
            raise error
        await self._sleep(delay)


class Transport:
    """Requests and watches on one API server."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        connections: int,
        retry_for: float,
        silence: float = SILENCE_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect to nothing yet; requests are repeated for ``retry_for`` seconds."""
        self._credentials = credentials
        self._connections = connections
        self._slots = asyncio.Semaphore(connections)
        self._retry_for = retry_for
        self._silence = silence
        self._sleep = sleep
        self._monotonic = monotonic
        self._open_connection: Connection | None = None

    async def open(self) -> None:
        """Prepare the connections, for the event loop that is running: the client may be opened again in another."""
        from taskaction_client.connection import Connection  # noqa: PLC0415 - aiohttp is slow to load

        self._slots = asyncio.Semaphore(self._connections)
        self._open_connection = Connection(self._credentials.account, await self._credentials.ssl_context())

    async def close(self) -> None:
        """Close all connections."""
        if self._open_connection is not None:
            await self._open_connection.close()
            self._open_connection = None

    def pauses(self) -> Pauses:
        """Return new pauses, with the limit of this client."""
        return Pauses(self._retry_for, self._sleep, self._monotonic)

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
    ) -> Body:
        """Send a request and return the object in the response.

        Raises:
            ApiError: the API server refuses the request, or there is no useful response for too long.
            InvalidError: the body is not JSON; nothing was sent.
        """
        data = None if body is None else to_json(body)
        pauses, logged_in_again = self.pauses(), False
        headers: list[tuple[str, str]] = []
        while True:
            try:
                async with self._slots:
                    headers = await self._headers(content_type if data is not None else None)
                    return read_object(await self._connection.request(method, path, data, query or {}, headers))
            except UnauthorizedError:
                if logged_in_again:
                    raise
                logged_in_again = True
                self._credentials.forget(headers)
            except UnavailableError as error:
                await pauses.pause(error)

    async def list_all(self, path: str, query: Mapping[str, str]) -> tuple[list[Body], str]:
        """Return all objects of a collection and the resourceVersion of the list, page by page."""
        bodies: list[Body] = []
        token, restarted = "", False
        while True:
            try:
                page = await self.send(
                    "GET", path, query={**query, "limit": PAGE} | ({"continue": token} if token else {})
                )
            except ExpiredError:
                if restarted or not token:
                    raise
                bodies, token, restarted = [], "", True
                continue
            try:
                bodies += page["items"]
                token, version = page["metadata"].get("continue", ""), str(page["metadata"]["resourceVersion"])
            except (KeyError, TypeError, AttributeError) as error:
                raise UnavailableError(f"GET {path}: the response is not a list") from error
            if not token:
                return bodies, version

    @asynccontextmanager
    async def watch(self, path: str, query: Mapping[str, str], since: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch of the changes after ``since`` and yield its bytes; it ends when the server ends it.

        Raises:
            UnavailableError: the connection broke, or was silent for too long.
            ApiError: the API server refuses the watch.
        """
        asked = {
            **query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": WATCH_SECONDS,
            "resourceVersion": since,
        }
        headers = await self._headers(None)
        async with self._connection.stream(path, asked, headers, self._silence) as found:
            if isinstance(found, AsyncIterator):
                yield found
                return
            if found.status == HTTPStatus.UNAUTHORIZED:
                self._credentials.forget(headers)
            raise error_from_response(found.status, found.content, found.headers)

    @property
    def _connection(self) -> "Connection":
        if self._open_connection is None:
            raise ConfigurationError("the client is not open: use it in `async with Client() as client`")
        return self._open_connection

    async def _headers(self, content_type: str | None) -> list[tuple[str, str]]:
        content = [("Content-Type", content_type)] if content_type is not None else []
        return [("Accept", JSON), *content, *await self._credentials.headers()]


def to_json(body: object) -> bytes:
    """Return a body as JSON.

    Raises:
        InvalidError: it holds something that JSON does not have, such as a date or NaN.
    """
    try:
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidError(f"the object is not JSON: {error}; use texts, numbers, booleans, lists and dicts") from error


def read_object(response: "Response") -> Body:
    """Return the object in a response.

    Raises:
        ApiError: the response is an error, or contains no object.
    """
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
        where = response.headers.get("Location", "elsewhere")
        raise InvalidError(
            f"the server redirects to {where}: check the server of the kubeconfig", status=response.status
        )
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise error_from_response(response.status, response.content, response.headers)
    try:
        found = json.loads(response.content)
    except ValueError as error:
        raise UnavailableError(f"the response is not JSON: {response.content[:200]!r}") from error
    if not isinstance(found, dict):
        raise UnavailableError(f"the response is not an object: {response.content[:200]!r}")
    return found
