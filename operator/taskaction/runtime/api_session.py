"""Connection to the API server, as every process and command opens it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from taskaction.cluster.credentials import Credentials
from taskaction.cluster.rest import FinishedRequest, RestCluster
from taskaction.cluster.session import open_session
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

    ``connections`` is the maximum number of connections, 0 is unlimited; ``observe`` is called after each request.

    Raises:
        ConfigurationError: no credentials were found; the message says what to set.
    """
    credentials = Credentials.load(clock, kubeconfig=kubeconfig, context=context)
    async with open_session(credentials, in_flight=connections) as session:
        yield ApiSession(credentials, RestCluster(credentials.server, session, observe))
