"""Inbox as a process: builds, starts and stops it in an order that loses no request; makes no decisions."""

import asyncio
import random
import signal
from contextlib import suppress

from taskaction.cluster.credentials import Credentials
from taskaction.cluster.gateway import Body, Cluster, Resource
from taskaction.cluster.rest import RestCluster
from taskaction.cluster.session import open_session
from taskaction.core.clock import Clock, SystemClock
from taskaction.plugin.addresses import AddressPolicy
from taskaction.plugin.registry import Registry
from taskaction.plugin.toolbox import Toolbox
from taskaction.runtime.config import OperatorConfig
from taskaction.runtime.probes import Health, ProbeServer
from taskaction.services.webhooks.catalogue import Catalogue
from taskaction.services.webhooks.endpoints import EndpointDependencies, Endpoints
from taskaction.services.webhooks.journal import InboxJournal
from taskaction.services.webhooks.plugins import Plugins
from taskaction.services.webhooks.secret_cache import SecretCache
from taskaction.services.webhooks.server import WebhookServer, WebhookServerSettings
from taskaction.services.webhooks.settings import WebhooksConfig
from taskaction.services.webhooks.store import StoreSettings, WebhookEventStore


class NoObservations:
    """Empty view of the objects that attempts created: the inbox watches none."""

    def take_change(self, resource: Resource, uid: str, name: str) -> Body | None:  # noqa: ARG002 - the protocol's signature
        """Return None: the inbox watches no objects."""
        return None

    def list_observed(self, resource: Resource, uid: str) -> list[Body]:  # noqa: ARG002 - the protocol's signature
        """Return no objects: the inbox watches none."""
        return []


class WebhookInbox:
    """Components that serve requests, over any cluster and clock."""

    def __init__(
        self, config: OperatorConfig, own: WebhooksConfig, cluster: Cluster, clock: Clock, journal: InboxJournal
    ) -> None:
        closed = frozenset({"kube-system", config.namespace})
        namespaces = config.watch_namespaces
        self.registry = Registry.load(
            Toolbox(
                clock=clock,
                cluster=cluster,
                addresses=AddressPolicy(config.http_allowed_cidrs),
                jitter=random.random,
                followed=NoObservations(),
                closed_namespaces=closed,
                settings=config.executor_settings,
            )
        )
        executors = [found for name in self.registry.names() if (found := self.registry.get(name)) is not None]
        self.catalogue = Catalogue(cluster, clock, namespaces, of_cluster=config.cluster_providers)
        self.store = WebhookEventStore(
            cluster, clock, StoreSettings(max_pending=own.max_pending, namespaces=namespaces)
        )
        self.server = WebhookServer(
            WebhookServerSettings(
                bind=own.bind, patience=own.request_timeout.total_seconds(), requests=own.max_concurrent_requests
            ),
            clock,
            Endpoints(
                EndpointDependencies(
                    clock=clock,
                    catalogue=self.catalogue,
                    secrets=SecretCache(cluster, clock, closed),
                    plugins=Plugins(executors, journal.on_error),
                    store=self.store,
                    callbacks=config.callbacks(),
                    shared=config.namespace if not namespaces or config.namespace in namespaces else None,
                    failed=journal.on_error,
                )
            ),
            journal.on_response,
        )


class WebhookService:
    """Replica of the inbox; any number may run, because they share state only through the API server."""

    def __init__(self, config: OperatorConfig, own: WebhooksConfig) -> None:
        self._config = config
        self._own = own
        self._clock = SystemClock()
        self._journal = InboxJournal()
        self._stopping = False

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; then report not ready, serve for the drain time, and finish requests."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        credentials = Credentials.load(self._clock, kubeconfig=self._config.kubeconfig, context=self._config.context)
        async with open_session(credentials, in_flight=self._own.max_concurrent_requests * 2) as session:
            cluster = RestCluster(credentials.server, session, self._journal.on_api_request)
            await self._serve(WebhookInbox(self._config, self._own, cluster, self._clock, self._journal), stop)

    async def _serve(self, inbox: WebhookInbox, stop: asyncio.Event) -> None:
        failed = self._journal.on_error
        probes = ProbeServer(
            "TASKACTION_WEBHOOKS_PROBES_BIND", self._own.probes_bind, self._health(inbox), self._journal.registry
        )
        self._journal.add_gauge(
            "webhooks_limit", "Maximum number of pending webhook requests.", lambda: self._own.max_pending
        )
        self._journal.add_gauge(
            "webhooks_waiting",
            "Number of webhook requests that no action has consumed yet.",
            lambda: inbox.store.pending_count,
        )
        await probes.start()
        await inbox.server.start()
        work = (inbox.catalogue.run(failed), inbox.store.run(failed), inbox.server.run())
        tasks = [asyncio.create_task(one) for one in work]
        self._journal.log_event("inbox starts", bind=self._own.bind)
        try:
            await self._until(stop, tasks)
        finally:
            self._stopping = True
            self._journal.log_event("inbox stops")
            await self._clock.sleep(self._own.shutdown_delay.total_seconds())
            await inbox.server.stop()
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            await inbox.registry.close()
            await probes.stop()

    @staticmethod
    async def _until(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
        """Return when the process must stop; raise the error of a task that ended unexpectedly."""
        stopped = asyncio.create_task(stop.wait())
        ended, _ = await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for task in ended - {stopped}:
            task.result()

    def _health(self, inbox: WebhookInbox) -> Health:
        def ready() -> list[str]:
            problems = ["the inbox is shutting down"] if self._stopping else []
            problems += ["no list of the providers has succeeded for a minute"] if inbox.catalogue.is_stale else []
            return problems + [f"plug-in {one.entry_point}: {one.error}" for one in inbox.registry.failures]

        return Health(live=list, ready=ready)
