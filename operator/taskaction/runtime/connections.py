"""Bounds of the connections that a process accepts, applied before anything is read; knows no protocol."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import uvloop


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Maximum numbers of open connections; further ones are closed at once.

    Attributes:
        total: of all sources together.
        per_source: of one address; a gateway in front of the process is one source.
        max_age: seconds after which a connection is closed whatever it does; None for servers that have other bounds.
    """

    total: int
    per_source: int
    max_age: float | None = None


DEFAULT_LIMITS = ConnectionLimits(total=1024, per_source=256)


class ConnectionCounter:
    """Numbers of open connections of all listening sockets of one server."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._open: Counter[str] = Counter()

    def admit(self, source: str) -> bool:
        """Count a connection, unless there are too many."""
        if self._open.total() >= self.limits.total or self._open[source] >= self.limits.per_source:
            return False
        self._open[source] += 1
        return True

    def remove(self, source: str) -> None:
        """Count the end of a connection."""
        self._open[source] -= 1
        if not self._open[source]:
            del self._open[source]


class LimitedListener(socket.socket):
    """Listening socket whose connections are counted by a ``LimitedLoop``."""

    def __init__(self, opened: socket.socket, counter: ConnectionCounter) -> None:
        """Take over the listening socket ``opened``."""
        super().__init__(opened.family, opened.type, opened.proto, fileno=opened.detach())
        self.counter = counter


class LimitedLoop(uvloop.Loop):
    """Event loop whose servers accept connections within the limits of their sockets, whatever library runs them."""

    async def create_server(self, protocol_factory: Any, *args: Any, sock: Any = None, **options: Any) -> Any:
        """Create a server; connections to a ``LimitedListener`` above its limits are closed at once."""
        factory = protocol_factory
        if isinstance(sock, LimitedListener):
            factory = partial(_CountedProtocol, protocol_factory, sock.counter)
        return await super().create_server(factory, *args, sock=sock, **options)


class _CountedProtocol(asyncio.Protocol):
    """Protocol that creates the server's own one for a connection within the limits, and passes everything on."""

    def __init__(self, factory: Callable[[], asyncio.Protocol], counter: ConnectionCounter) -> None:
        self._factory = factory
        self._counter = counter
        self._source = ""
        self._inner: asyncio.Protocol | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self._source = str(peer[0]) if peer else ""
        if not self._counter.admit(self._source):
            cast("asyncio.Transport", transport).abort()
            return
        age = self._counter.limits.max_age
        if age is not None:
            self._timer = asyncio.get_running_loop().call_later(age, cast("asyncio.Transport", transport).abort)
        self._inner = self._factory()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._inner is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._counter.remove(self._source)
        self._inner.connection_lost(exc)
