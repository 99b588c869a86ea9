"""Connections to one server, which requests share; knows nothing of Kubernetes.

Watches and executors use aiohttp. A status write is most of what an action costs the operator, and there this takes a
seventh of aiohttp's CPU time (ADR 0030).
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext

from yarl import URL

from taskaction.cluster.http_connection import HttpConnection, UnansweredError, WholeResponse

_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
"""Methods that mean the same when they are sent twice."""


class HttpPool:
    """Pool that uses the connection that was returned last, so that those of a burst expire.

    Close it in the event loop in which it was used.
    """

    def __init__(self, server: str, *, tls: ssl.SSLContext | None, limit: int = 0, idle_seconds: float = 30.0) -> None:
        """Create a pool for a URL, whose path comes before that of each request.

        At most ``limit`` requests are under way, 0 is unlimited. A connection is closed after ``idle_seconds`` unused.
        """
        url = URL(server)
        self._host, self._port = url.host or "", url.port or 0
        self._root = url.raw_path.rstrip("/")
        self._authority = url.host_port_subcomponent or ""
        self._tls = tls if url.scheme == "https" else None
        self._turns: AbstractAsyncContextManager[None] = asyncio.Semaphore(limit) if limit else nullcontext()
        self._idle_seconds = idle_seconds
        self._idle: deque[tuple[HttpConnection, float]] = deque()
        self._used: set[HttpConnection] = set()
        self._expiry: asyncio.TimerHandle | None = None

    async def request(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None = None, timeout: float
    ) -> WholeResponse:
        """Send a request and return the whole response, whatever its code is.

        ``target`` is path and query, as they are sent. A request that may be sent twice is sent again if the server
        has closed an idle connection meanwhile.

        Raises:
            TimeoutError: there was no response within ``timeout`` seconds.
            OSError: the server cannot be reached, or the connection was lost.
            ValueError: a header contains a line break.
        """
        data = self._encode(method, target, headers, body)
        async with asyncio.timeout(timeout), self._turns:
            while True:
                is_reused, connection = await self._take()
                try:
                    response = await connection.exchange(data)
                except UnansweredError:
                    self._drop(connection)
                    if is_reused and method in _REPEATABLE:
                        continue
                    raise
                except BaseException:  # also a timeout: the rest of the response may still arrive
                    self._drop(connection)
                    raise
                self._put_back(connection)
                return response

    async def aclose(self) -> None:
        """Close all connections."""
        if self._expiry is not None:
            self._expiry.cancel()
        for connection in [*self._used, *(connection for connection, _ in self._idle)]:
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # the transports end in the next turn of the event loop

    def _encode(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        lines = [
            f"{method} {self._root}{target} HTTP/1.1",
            f"Host: {self._authority}",
            "Accept-Encoding: gzip",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines)
        if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
            raise ValueError("a header contains a line break")
        return f"{head}\r\n\r\n".encode() + (body or b"")

    async def _take(self) -> tuple[bool, HttpConnection]:
        """Return a connection, and whether it was used before."""
        while self._idle:
            connection, _ = self._idle.pop()
            if connection.is_open:
                self._used.add(connection)
                return True, connection
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(HttpConnection, self._host, self._port, ssl=self._tls)
        self._used.add(connection)
        return False, connection

    def _drop(self, connection: HttpConnection) -> None:
        self._used.discard(connection)
        connection.close()

    def _put_back(self, connection: HttpConnection) -> None:
        self._used.discard(connection)
        if not connection.is_open:
            return
        loop = asyncio.get_running_loop()
        self._idle.append((connection, loop.time()))
        if self._expiry is None:
            self._expiry = loop.call_later(self._idle_seconds, self._expire)

    def _expire(self) -> None:
        """Close what was not used for long; the connections that have been idle longest come first."""
        self._expiry = None
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0][1] + self._idle_seconds <= loop.time():
            self._idle.popleft()[0].close()
        if self._idle:
            self._expiry = loop.call_at(self._idle[0][1] + self._idle_seconds, self._expire)
