"""HTTP sessions that connect only to addresses that the operator's policy allows, for executors and plug-ins."""

import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from taskaction.plugin.addresses import AddressPolicy

_TOTAL_SECONDS = 30.0


class GuardedResolver(AbstractResolver):
    """Resolver that applies the address policy to its results, so that no name can be rebound after a check."""

    def __init__(self, addresses: AddressPolicy) -> None:
        self._addresses = addresses
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``; the policy must allow every one."""
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            self._addresses.check(result["host"], shown=host)
        return found

    async def close(self) -> None:
        """Do nothing: the resolver uses a thread."""


def open_http_session(addresses: AddressPolicy, *, timeout: float = _TOTAL_SECONDS) -> aiohttp.ClientSession:
    """Return a session for requests to addresses that users choose; close it in ``close`` of the executor.

    Each connection is checked, also that of a redirect and of an address in a URL; cookies are not kept, and proxies of
    the environment are not used. ``timeout`` is the maximum duration of a request in seconds. Call it where an event
    loop runs, for example in the first ``execute``.

    A request raises ``AddressDeniedError``, which ends the action, if the policy denies the address.
    """

    def open_socket(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        addresses.check(str(address[0]))
        return socket.socket(family, kind, protocol)

    connector = aiohttp.TCPConnector(resolver=GuardedResolver(addresses), socket_factory=open_socket)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout),
        trust_env=False,
    )
