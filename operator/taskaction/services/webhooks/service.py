"""Inbox as a process: builds, starts and stops it in an order that loses no request; makes no decisions."""

import asyncio
import random
from collections.abc import Mapping

from taskaction.cluster.gateway import Body, Cluster, Resource
from taskaction.core.clock import Clock, SystemClock
from taskaction.plugin.addresses import AddressPolicy
from taskaction.plugin.event_content import EventContents
from taskaction.plugin.registry import Registry
from taskaction.plugin.storage import ProjectStorage
from taskaction.plugin.toolbox import Toolbox
from taskaction.runtime.config import OperatorConfig
from taskaction.runtime.listening import ListenAddress
from taskaction.runtime.probes import Health
from taskaction.runtime.process import Process, ProcessOptions, Workload
from taskaction.runtime.supervisor import Supervisor
from taskaction.services.webhooks.catalogue import Catalogue
from taskaction.services.webhooks.endpoints import EndpointDependencies, Endpoints
from taskaction.services.webhooks.plugins import Plugins
from taskaction.services.webhooks.recorder import InboxRecorder
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


class WebhookInbox(Workload):
    """Replica of the inbox; any number may run, because they share state only through the API server."""

    def __init__(
        self, config: OperatorConfig, own: WebhooksConfig, cluster: Cluster, clock: Clock, recorder: InboxRecorder
    ) -> None:
        self._recorder = recorder
        self._bind = own.bind
        closed = frozenset({"kube-system", config.namespace})
        namespaces = config.watch_namespaces
        storage = ProjectStorage(config.storage)
        self._registry = Registry.load(
            Toolbox(
                clock=clock,
                cluster=cluster,
                addresses=AddressPolicy(config.http_allowed_cidrs),
                jitter=random.random,
                followed=NoObservations(),
                closed_namespaces=closed,
                settings=config.executor_settings,
                storage=storage,
            )
        )
        executors = [found for name in self._registry.names() if (found := self._registry.get(name)) is not None]
        self._catalogue = Catalogue(cluster, clock, namespaces, of_cluster=config.cluster_providers)
        self._store = WebhookEventStore(
            cluster,
            clock,
            StoreSettings(max_pending=own.max_pending, max_pending_bytes=own.max_pending_bytes, namespaces=namespaces),
            EventContents(storage),
        )
        self._server = WebhookServer(
            WebhookServerSettings(
                bind=ListenAddress("TASKACTION_WEBHOOKS_BIND", own.bind),
                patience=own.request_timeout.total_seconds(),
                requests=own.max_concurrent_requests,
                connections=own.max_connections,
                connections_per_source=own.max_connections_per_source,
            ),
            clock,
            Endpoints(
                EndpointDependencies(
                    clock=clock,
                    catalogue=self._catalogue,
                    secrets=SecretCache(cluster, clock, closed),
                    plugins=Plugins(executors, recorder.on_task_failed),
                    store=self._store,
                    callbacks=config.callbacks(),
                    shared=config.namespace if not namespaces or config.namespace in namespaces else None,
                    failed=recorder.on_task_failed,
                )
            ),
            recorder.on_response,
        )
        recorder.metrics.limit.set(own.max_pending)
        recorder.metrics.waiting.set_function(lambda: self._store.pending_count)

    def log_fields(self) -> Mapping[str, object]:
        """Return the address for webhooks."""
        return {"bind": self._bind}

    def health(self) -> Health:
        """Return a stale catalogue, and plug-ins that cannot be loaded."""

        def ready() -> list[str]:
            problems = ["no list of the providers has succeeded for a minute"] if self._catalogue.is_stale else []
            return problems + [f"plug-in {one.entry_point}: {one.error}" for one in self._registry.failures]

        return Health(ready=ready)

    async def start(self, supervisor: Supervisor) -> None:
        """Accept requests, and keep catalogue and store up to date."""
        failed = self._recorder.on_task_failed
        supervisor.start("catalogue", self._catalogue.run(failed))
        supervisor.start("store", self._store.run(failed))
        supervisor.start("idle connections", self._server.run())
        await self._server.start()

    async def drain(self, supervisor: Supervisor) -> None:  # noqa: ARG002 - the hook of the frame
        """Stop listening, and finish requests in progress."""
        await self._server.stop()

    async def close(self) -> None:
        """Close the plug-ins."""
        await self._registry.close()


async def run_inbox(config: OperatorConfig, own: WebhooksConfig, stop: asyncio.Event) -> None:
    """Run the inbox until ``stop`` is set; then report not ready, serve for the drain time, and finish requests."""
    clock, recorder = SystemClock(), InboxRecorder()
    options = ProcessOptions(
        settings=config,
        probes=ListenAddress("TASKACTION_WEBHOOKS_PROBES_BIND", own.probes_bind),
        connections=own.max_concurrent_requests * 2,
        linger=own.shutdown_delay.total_seconds(),
    )
    await Process(options, recorder, clock).run(
        lambda api: WebhookInbox(config, own, api.cluster, clock, recorder), stop
    )
