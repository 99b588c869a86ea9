"""Addresses that a process listens on: the one place that opens listening sockets; knows nothing of what is served."""

import errno
import socket
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web

from taskaction.core.errors import ConfigurationError
from taskaction.runtime.connections import DEFAULT_LIMITS, ConnectionCounter, ConnectionLimits, LimitedListener

_BACKLOG = 256
_IDLE_SECONDS = 60
_UNAVAILABLE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Address to listen on, and the setting that chose it.

    Attributes:
        setting: environment variable that an error message names.
        value: host and port; an IPv6 address is in brackets.
    """

    setting: str
    value: str

    def listen(
        self, limits: ConnectionLimits = DEFAULT_LIMITS, *, backlog: int = _BACKLOG, stalled: float | None = None
    ) -> list[socket.socket]:
        """Return a listening socket for each address of the host, all within the same limits of connections.

        After ``stalled`` seconds in which a client takes none of what is sent to it, the system ends its connection.

        Raises:
            ConfigurationError: the address is in use, unknown or not permitted; the message names the setting.
        """
        host, _, port = self.value.rpartition(":")
        host = host.strip("[]")
        found: list[socket.socket] = []
        refused: OSError | None = None
        try:
            for family, *_, address in socket.getaddrinfo(
                host or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            ):
                try:
                    found.append(socket.create_server(address[:2], family=family, backlog=backlog))
                except OSError as error:
                    if error.errno not in _UNAVAILABLE:
                        raise
                    refused = error  # localhost has an IPv6 address also where the system has no IPv6
            if not found and refused is not None:
                raise refused
        except OSError as error:
            for opened in found:
                opened.close()
            raise ConfigurationError(f"{self.setting}: cannot listen on {self.value}: {_reason(error)}") from error
        counter = ConnectionCounter(limits)
        for opened in found:
            _set_options(opened, stalled)
        return [LimitedListener(opened, counter) for opened in found]


async def start_sites(runner: web.AppRunner, bind: ListenAddress, limits: ConnectionLimits = DEFAULT_LIMITS) -> None:
    """Serve an application of aiohttp on an address; raises ``ConfigurationError`` as ``ListenAddress.listen`` does."""
    await runner.setup()
    for opened in bind.listen(limits):
        await web.SockSite(runner, opened).start()


def _set_options(opened: socket.socket, stalled: float | None) -> None:
    """Let the system find dead connections; connections have the options of the socket that accepts them."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    with suppress(AttributeError):  # not every system has both
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_SECONDS)
        if stalled is not None:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(stalled * 1000))


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "address already in use; choose another port, or stop the process that uses it"
    return str(error)
