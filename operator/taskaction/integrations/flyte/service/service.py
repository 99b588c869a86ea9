"""The Actions service as a process: wiring, start, and a stop that loses no call."""

import asyncio
import gc
import signal
from contextlib import suppress

from taskaction.cluster.credentials import Credentials
from taskaction.cluster.gateway import ACTION_EVENTS, TASK_ACTIONS, Body
from taskaction.cluster.informer import Informer
from taskaction.cluster.rest import RestCluster
from taskaction.cluster.session import open_session
from taskaction.core.clock import Clock, SystemClock
from taskaction.integrations.flyte.service.access import AccessReviewer, OpenAccess
from taskaction.integrations.flyte.service.action_cache import ActionCache
from taskaction.integrations.flyte.service.endpoints import CallDependencies, Calls
from taskaction.integrations.flyte.service.health import HealthService
from taskaction.integrations.flyte.service.journal import ActionsJournal
from taskaction.integrations.flyte.service.manifests import Executors
from taskaction.integrations.flyte.service.places import ActionLocator
from taskaction.integrations.flyte.service.rates import CallerRateLimiter
from taskaction.integrations.flyte.service.rpc import ActionsRpc
from taskaction.integrations.flyte.service.server import ACTIONS, ActionsServerSettings, Application, run
from taskaction.integrations.flyte.service.settings import ActionsConfig
from taskaction.integrations.flyte.service.template_sweeper import TemplateSweeper
from taskaction.integrations.flyte.service.templates import Templates
from taskaction.integrations.flyte.service.traces import SELECTOR, trace_of
from taskaction.integrations.flyte.service.watches import UpdateWatchSettings, Watches
from taskaction.runtime.config import OperatorConfig
from taskaction.runtime.probes import Health, ProbeServer

_STALE_SECONDS = 120.0
_STALLED_SECONDS = 300.0
"""How long a client may take nothing before its connection is closed; it connects again, and is told all."""
_TEMPLATE_SECONDS = 3.0
"""How long a template may take to be stored; Flyte's own client waits five seconds for a call."""


class Facade:
    """Parts that serve calls, for any cluster and clock."""

    def __init__(
        self, own: ActionsConfig, cluster: RestCluster, clock: Clock, journal: ActionsJournal, mark: str
    ) -> None:
        """``mark`` tells this cluster's stored templates from those of others."""
        self.cache = ActionCache()
        places = ActionLocator(own.namespace, own.namespaces)
        self.informers = [
            informer
            for namespace in sorted(places.namespaces)
            for informer in (
                Informer(
                    cluster, clock, TASK_ACTIONS, namespace, changed=self.cache.store_object, gone=self.cache.remove
                ),
                Informer(
                    cluster,
                    clock,
                    ACTION_EVENTS,
                    namespace,
                    changed=self._learn_trace,
                    gone=self.cache.remove,
                    label_selector=SELECTOR,
                ),
            )
        ]
        self.watches = Watches(
            self.cache,
            clock,
            UpdateWatchSettings(
                age=own.watch_age.total_seconds(),
                heartbeat=own.heartbeat.total_seconds(),
                batch=own.watch_buffer_size,
                limit=own.max_concurrent_watches,
            ),
            journal.on_changes_sent,
        )
        templates = Templates(None if own.templates is None else f"{own.templates}{mark}/", _TEMPLATE_SECONDS, clock)
        folders = [folder for name in sorted(places.namespaces) if (folder := templates.folder_of(name)) is not None]
        self.sweep = TemplateSweeper(
            templates.storage, folders, clock, named=self.cache.template_uris, is_sure=lambda: not self.problems
        )
        gate = OpenAccess() if own.authentication == "none" else AccessReviewer(cluster, clock, own.audiences)
        calls = Calls(
            CallDependencies(
                cluster=cluster,
                clock=clock,
                cache=self.cache,
                locator=places,
                access=gate,
                executors=Executors(own.task_types),
                templates=templates,
                watches=self.watches,
                traces=own.max_traces,
            )
        )
        self.rpc = ActionsRpc(
            calls,
            gate,
            journal,
            clock,
            requests=own.max_concurrent_requests,
            rates=CallerRateLimiter(clock, own.max_requests_per_second),
        )

    def _learn_trace(self, body: Body) -> None:
        if (known := trace_of(body)) is not None:
            self.cache.store(known)

    @property
    def problems(self) -> list[str]:
        """The reasons why responses would be wrong or stale."""
        if not all(informer.listed.is_set() for informer in self.informers):
            return ["the actions have not been listed yet"]
        if any(informer.age > _STALE_SECONDS for informer in self.informers):
            return ["nothing was heard of the API server for two minutes"]
        return []


class ActionsService:
    """Replica of the service; any number may run, since the API server has all shared state."""

    def __init__(self, config: OperatorConfig, own: ActionsConfig) -> None:
        self._config = config
        self._own = own
        self._clock = SystemClock()
        self._journal = ActionsJournal()
        self._listening = self._stopping = False

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; then become unready, serve calls during the drain time, and end the watches."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        credentials = Credentials.load(self._clock, kubeconfig=self._config.kubeconfig, context=self._config.context)
        async with open_session(credentials, in_flight=self._own.max_concurrent_requests * 2) as session:
            cluster = RestCluster(credentials.server, session, self._journal.count_request)
            await self._serve(Facade(self._own, cluster, self._clock, self._journal, credentials.fingerprint), stop)

    async def _serve(self, facade: Facade, stop: asyncio.Event) -> None:
        journal, own = self._journal, self._own
        journal.add_gauge("actions_watches_limit", "Watches that may be served.", lambda: own.max_concurrent_watches)
        journal.add_gauge("actions_watches", "Watches that are being served.", lambda: facade.cache.watches)
        journal.add_gauge("actions_known", "Actions that are known.", lambda: len(facade.cache))

        def ready() -> list[str]:
            if self._stopping:
                return ["the service is being stopped"]
            return facade.problems if self._listening else ["the service does not listen yet"]

        probes = ProbeServer(
            "TASKACTION_ACTIONS_PROBES_BIND", own.probes_bind, Health(live=list, ready=ready), journal.registry
        )
        application = Application(
            facade.rpc, HealthService(lambda: not ready(), self._clock, [ACTIONS]), own.max_request_bytes
        )
        settings = ActionsServerSettings(
            bind=own.bind,
            request_bytes=own.max_request_bytes,
            grace=own.shutdown_delay.total_seconds(),
            stalled=_STALLED_SECONDS,
            certificate=own.tls_cert_file,
            key=own.tls_key_file,
            client_ca=own.tls_client_ca_file,
        )
        await probes.start()
        tasks = [asyncio.create_task(informer.run(journal.record_failure)) for informer in facade.informers]
        tasks.append(asyncio.create_task(facade.sweep.run(journal.record_failure)))
        try:
            for informer in facade.informers:  # before that, a parent would be missing and a snapshot incomplete
                await _first(stop, informer.listed)
            gc.collect()
            gc.freeze()  # what is known by now stays: to look through it for cycles would hold up every watch
            journal.log_event("actions service starts", bind=own.bind, authentication=own.authentication)
            await self._until(stop, facade, application, settings, tasks)
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            await probes.stop()

    async def _until(
        self,
        stop: asyncio.Event,
        facade: Facade,
        application: Application,
        settings: ActionsServerSettings,
        tasks: list[asyncio.Task[None]],
    ) -> None:
        async def drained() -> None:
            self._listening = True  # the server asks for its end when it has begun
            await stop.wait()
            self._stopping = True
            self._journal.log_event("actions service stops")
            await self._clock.sleep(self._own.shutdown_delay.total_seconds())
            facade.watches.stop()

        serving = asyncio.create_task(run(application, settings, drained, self._clock, self._journal.record_failure))
        ended, _ = await asyncio.wait({serving, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        if serving not in ended:
            stop.set()
        await serving
        for task in ended:
            task.result()


async def _first(*events: asyncio.Event) -> None:
    """Return when one of them is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for one in waiting:
        one.cancel()
