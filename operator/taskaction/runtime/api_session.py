"""Connections to the API server, as every process and command opens them, with its own credentials or a caller's."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from taskaction.cluster.credentials import Credentials
from taskaction.cluster.http_pool import HttpPool
from taskaction.cluster.rest import FinishedRequest, RestCluster
from taskaction.cluster.session import AuthorizedPool, TokenPool, open_session
from taskaction.core.clock import Clock


@dataclass(frozen=True, slots=True)
class ApiSession:
    """Credentials, and the client that uses them."""

    credentials: Credentials
    cluster: RestCluster


@asynccontextmanager
async def open_api_session(
    clock: Clock,
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    connections: int = 0,
    observe: Callable[[FinishedRequest], None] = lambda _: None,
) -> AsyncIterator[ApiSession]:
    """Connect to the cluster of a kubeconfig; without one to that of the pod, otherwise of ``~/.kube/config``.

    ``connections`` is the maximum number of connections apart from those of watches, 0 is unlimited; ``observe`` is
    called after each request.

    Raises:
        ConfigurationError: no credentials were found; the message says what to set.
    """
    credentials = Credentials.load(clock, kubeconfig=kubeconfig, context=context)
    pool = AuthorizedPool(credentials, in_flight=connections)
    async with aclosing(pool), open_session(credentials) as session:
        yield ApiSession(credentials, RestCluster(credentials.server, pool, session, observe))


class TokenClients:
    """Clients that share connections, which present no client certificate."""

    def __init__(self, credentials: Credentials, observe: Callable[[FinishedRequest], None]) -> None:
        """``credentials`` name the server; ``observe`` is called after each request."""
        self._server = credentials.server
        self._observe = observe
        context = credentials.anonymous_ssl_context()
        self._pool = HttpPool(credentials.server, tls=context)
        self._connector = aiohttp.TCPConnector(limit=0, ssl=context)

    def connect(self, token: str) -> tuple[RestCluster, Callable[[], None]]:
        """Return a client that acts with a token, and the function that makes it unusable."""
        session = aiohttp.ClientSession(
            connector=self._connector,
            connector_owner=False,
            headers={"Authorization": f"Bearer {token}"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        cluster = RestCluster(self._server, TokenPool(self._pool, token), session, self._observe)
        return cluster, session.detach

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()
        await self._connector.close()
