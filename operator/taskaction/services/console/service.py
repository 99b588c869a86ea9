"""Console as a process: wiring, start and stop; makes no decisions."""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import product

from taskaction.cluster.gateway import Body, Resource
from taskaction.cluster.informer import Informer, WatchClient
from taskaction.core.clock import Clock, SystemClock
from taskaction.runtime.api_session import TokenClients
from taskaction.runtime.config import OperatorConfig
from taskaction.runtime.connections import ConnectionLimits
from taskaction.runtime.listening import ListenAddress
from taskaction.runtime.process import Process, ProcessOptions, Workload
from taskaction.runtime.supervisor import Supervisor
from taskaction.services.console.browsers import BrowserRules
from taskaction.services.console.recorder import ConsoleRecorder
from taskaction.services.console.rows import KINDS, ObjectRow, RowIndex
from taskaction.services.console.server import ConsoleServer, ConsoleServerSettings
from taskaction.services.console.settings import ConsoleConfig
from taskaction.services.console.signing_in import TokenSignIn
from taskaction.services.console.viewers import SessionStore

_SWEEP_SECONDS = 30.0
_AGE_SECONDS = 3_600.0
"""Age after which a connection is closed, whatever it does; browsers open streams again."""


class RowFeed:
    """Informers that keep the index of rows up to date."""

    def __init__(
        self,
        cluster: WatchClient,
        clock: Clock,
        places: Iterable[tuple[Resource, str]],
        recorder: ConsoleRecorder,
    ) -> None:
        """Watch kinds in namespaces; an empty one is all."""
        self.index = RowIndex()
        self._recorder = recorder
        self._informers = [self._informer(cluster, clock, kind, place) for kind, place in places]

    def start(self, supervisor: Supervisor) -> None:
        """Start to watch."""
        for number, informer in enumerate(self._informers):
            supervisor.start(f"informer {number}", informer.run(self._recorder.on_task_failed))

    async def wait_until_listed(self) -> None:
        """Return when all objects are known."""
        for informer in self._informers:
            await informer.listed.wait()

    def _informer(self, cluster: WatchClient, clock: Clock, kind: Resource, namespace: str) -> Informer:
        changed = partial(self._put, kind.kind)
        return Informer(cluster, clock, kind, namespace, changed=changed, gone=self._remove)

    def _put(self, kind: str, body: Body) -> None:
        self.index.put(ObjectRow.from_body(kind, body))
        self._recorder.metrics.objects.set(len(self.index))

    def _remove(self, uid: str) -> None:
        self.index.remove(uid)
        self._recorder.metrics.objects.set(len(self.index))


class ConsoleService(Workload):
    """Replica of the console; sessions are its own, so a person stays with one replica."""

    def __init__(
        self,
        own: ConsoleConfig,
        feed: RowFeed,
        clients: TokenClients,
        server_name: str,
        clock: Clock,
        recorder: ConsoleRecorder,
    ) -> None:
        self._own = own
        self._feed = feed
        self._clients = clients
        self._clock = clock
        self._recorder = recorder
        self._sessions = SessionStore(
            clock,
            duration=own.session_duration.total_seconds(),
            idle=own.session_idle.total_seconds(),
            limit=own.max_sessions,
        )
        settings = ConsoleServerSettings(
            bind=ListenAddress("TASKACTION_CONSOLE_BIND", own.bind),
            connections=ConnectionLimits(
                total=own.max_connections, per_source=own.max_connections_per_source, max_age=_AGE_SECONDS
            ),
            rules=BrowserRules.for_url(own.url),
            streams=own.max_streams,
            streams_per_session=own.max_streams_per_session,
            read_only=own.read_only,
            cluster=server_name,
        )
        sign_in = TokenSignIn(clients.connect, clock)
        self._server = ConsoleServer(settings, feed.index, self._sessions, sign_in, recorder, clock)

    def log_fields(self) -> Mapping[str, object]:
        """Return the address."""
        return {"bind": self._own.bind}

    async def start(self, supervisor: Supervisor) -> None:
        """Serve pages once all objects are known."""
        self._feed.start(supervisor)
        supervisor.start("sessions", self._sweep())
        await self._feed.wait_until_listed()
        await self._server.start()

    async def drain(self, supervisor: Supervisor) -> None:  # noqa: ARG002 - the hook of the frame
        """Stop listening, and finish requests in progress."""
        await self._server.stop()

    async def close(self) -> None:
        """End all sessions, and close their connections to the API server."""
        self._sessions.close_all()
        await self._clients.close()

    async def _sweep(self) -> None:
        while True:
            self._sessions.sweep()
            self._recorder.metrics.sessions.set(len(self._sessions))
            await self._clock.sleep(_SWEEP_SECONDS)


async def run_console(config: OperatorConfig, own: ConsoleConfig, stop: asyncio.Event) -> None:
    """Run the console until ``stop`` is set; then report not ready, serve for the delay, and finish requests."""
    clock, recorder = SystemClock(), ConsoleRecorder()
    options = ProcessOptions(
        settings=config,
        probes=ListenAddress("TASKACTION_CONSOLE_PROBES_BIND", own.probes_bind),
        linger=own.shutdown_delay.total_seconds(),
    )
    await Process(options, recorder, clock).run(
        lambda api: ConsoleService(
            own,
            RowFeed(api.cluster, clock, product(KINDS, config.watch_namespaces or ("",)), recorder),
            TokenClients(api.credentials, recorder.on_api_request),
            api.credentials.server,
            clock,
            recorder,
        ),
        stop,
    )
