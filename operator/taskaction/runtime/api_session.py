"""Connections to the API server, as every process and command opens them, with its own credentials or a caller's."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from taskaction.cluster.connector import ShrinkingConnector
from taskaction.cluster.credentials import Credentials
from taskaction.cluster.rest import FinishedRequest, RestCluster
from taskaction.cluster.session import open_session
from taskaction.core.clock import Clock

_IDLE_SECONDS = 30.0


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

    ``connections`` is the maximum number of connections, 0 is unlimited; ``observe`` is called after each request.

    Raises:
        ConfigurationError: no credentials were found; the message says what to set.
    """
    credentials = Credentials.load(clock, kubeconfig=kubeconfig, context=context)
    async with open_session(credentials, in_flight=connections) as session:
        yield ApiSession(credentials, RestCluster(credentials.server, session, observe))


class TokenClients:
    """Clients that share connections, which present no client certificate."""

    def __init__(self, credentials: Credentials, observe: Callable[[FinishedRequest], None]) -> None:
        """``credentials`` name the server; ``observe`` is called after each request."""
        self._server = credentials.server
        self._observe = observe
        context = credentials.anonymous_ssl_context()
        self._connector = ShrinkingConnector(limit=0, ssl=context, keepalive_timeout=_IDLE_SECONDS)

    def connect(self, token: str) -> tuple[RestCluster, Callable[[], None]]:
        """Return a client that acts with a token, and the function that makes it unusable."""
        session = aiohttp.ClientSession(
            connector=self._connector,
            connector_owner=False,
            headers={"Authorization": f"Bearer {token}"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return RestCluster(self._server, session, self._observe), session.detach

    async def close(self) -> None:
        """Close all connections."""
        await self._connector.close()
