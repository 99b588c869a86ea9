"""Console of one person on their own machine, with the credentials of their kubeconfig."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from taskaction.cluster.informer import WatchClient
from taskaction.core.clock import SystemClock
from taskaction.runtime.connections import DEFAULT_LIMITS
from taskaction.runtime.listening import ListenAddress
from taskaction.runtime.supervisor import Supervisor
from taskaction.services.console.browsers import BrowserRules
from taskaction.services.console.recorder import ConsoleRecorder
from taskaction.services.console.rows import BY_KIND
from taskaction.services.console.scopes import ViewScope
from taskaction.services.console.server import ConsoleServer, ConsoleServerSettings
from taskaction.services.console.service import RowFeed
from taskaction.services.console.signing_in import KeySignIn
from taskaction.services.console.viewers import SessionStore, Viewer, ViewerApi

_LONG_SECONDS = 7 * 86_400.0
_STREAMS = 100


class LocalApi(ViewerApi, WatchClient, Protocol):
    """API server operations of a local console, which watches and acts with the same credentials."""


async def serve_local_console(
    cluster: LocalApi,
    server: str,
    namespace: str,
    port: int,
    opened: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Serve pages on loopback until ``stop`` is set; ``opened`` gets the address, whose key works once.

    It watches all namespaces if the credentials allow that, otherwise only ``namespace``.

    Raises:
        ConfigurationError: the port is not available.
        PageError: the credentials may list nothing in the namespace.
        ClusterError: the API server refuses, or does not answer.
    """
    clock, recorder = SystemClock(), ConsoleRecorder()
    sign_in = KeySignIn(cluster, clock, namespace)
    own = Viewer("you", cluster, clock)
    scope = await own.resolve_scope(()) or await own.resolve_scope((namespace,))
    places = [(BY_KIND[kind], place) for place, kinds in (scope or ViewScope({})).namespaces.items() for kind in kinds]
    feed = RowFeed(cluster, clock, places, recorder)
    sessions = SessionStore(clock, duration=_LONG_SECONDS, idle=_LONG_SECONDS, limit=1)
    hosts = frozenset(f"{host}:{port}" for host in ("127.0.0.1", "localhost"))
    settings = ConsoleServerSettings(
        bind=ListenAddress("--port", f"127.0.0.1:{port}"),
        connections=DEFAULT_LIMITS,
        rules=BrowserRules(hosts),
        streams=_STREAMS,
        streams_per_session=_STREAMS,
        read_only=False,
        cluster=server,
    )
    pages = ConsoleServer(settings, feed.index, sessions, sign_in, recorder, clock)
    async with _supervised() as supervisor:
        feed.start(supervisor)
        await feed.wait_until_listed()
        await pages.start()
        opened(f"http://127.0.0.1:{port}/open/{sign_in.key}")
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(supervisor.wait_for_end())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            supervisor.raise_if_ended()
        finally:
            for wait in waits:
                wait.cancel()
                with suppress(asyncio.CancelledError):
                    await wait
            await pages.stop()


@asynccontextmanager
async def _supervised() -> AsyncIterator[Supervisor]:
    supervisor = Supervisor()
    try:
        yield supervisor
    finally:
        await supervisor.cancel()
