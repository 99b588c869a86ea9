"""Pool of connections to the API server that shrinks to what is used."""

from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


class ShrinkingConnector(aiohttp.TCPConnector):
    """Connector that uses the connection that was returned last.

    aiohttp itself uses the one that has been idle longest. So after a burst, as after an outage, a few requests a
    second keep all its connections in use, each with its descriptor and the buffers of its TLS, and none expires.
    """

    async def _get(self, key: "ConnectionKey", traces: "list[Trace]") -> "Connection | None":
        if (idle := self._conns.get(key)) is not None:
            idle.rotate(1)  # aiohttp appends what is returned, and takes the first
        return await super()._get(key, traces)
