"""The Actions service as a process: wiring, start, and a stop that loses no call."""

import asyncio
from collections.abc import Callable, Mapping

from taskaction.cluster.gateway import ACTION_EVENTS, TASK_ACTIONS, Body
from taskaction.cluster.informer import Informer
from taskaction.cluster.rest import RestCluster
from taskaction.core.clock import Clock, SystemClock
from taskaction.integrations.flyte.service.access import AccessReviewer, OpenAccess
from taskaction.integrations.flyte.service.action_cache import ActionCache
from taskaction.integrations.flyte.service.answers import AnswerReader
from taskaction.integrations.flyte.service.endpoints import CallDependencies, Calls
from taskaction.integrations.flyte.service.health import HealthService
from taskaction.integrations.flyte.service.manifests import TaskRules
from taskaction.integrations.flyte.service.places import ActionLocator
from taskaction.integrations.flyte.service.rates import CallerRateLimiter
from taskaction.integrations.flyte.service.recorder import ActionsRecorder
from taskaction.integrations.flyte.service.rpc import ActionsRpc
from taskaction.integrations.flyte.service.server import ACTIONS, ActionsServerSettings, Application, run
from taskaction.integrations.flyte.service.settings import ActionsConfig
from taskaction.integrations.flyte.service.template_sweeper import TemplateSweeper
from taskaction.integrations.flyte.service.templates import Templates
from taskaction.integrations.flyte.service.traces import SELECTOR, trace_of
from taskaction.integrations.flyte.service.watches import UpdateWatchSettings, Watches
from taskaction.plugin.storage import ProjectStorage
from taskaction.plugin.stored_outputs import StoredOutputs
from taskaction.runtime.config import OperatorConfig
from taskaction.runtime.connections import ConnectionLimits
from taskaction.runtime.listening import ListenAddress
from taskaction.runtime.probes import Health
from taskaction.runtime.process import Process, ProcessOptions, Workload, exclude_from_collection
from taskaction.runtime.supervisor import Supervisor

_STALE_SECONDS = 120.0
_STALLED_SECONDS = 300.0
"""How long a client may take nothing before its connection is closed; it connects again, and is told all."""
_TEMPLATE_SECONDS = 3.0
"""How long a template may take to be stored; Flyte's own client waits five seconds for a call."""


class Facade(Workload):
    """Replica of the service; any number may run, since the API server has all shared state."""

    def __init__(
        self,
        own: ActionsConfig,
        cluster: RestCluster,
        clock: Clock,
        recorder: ActionsRecorder,
        mark: str,
        *,
        storage: ProjectStorage,
        on_listed: Callable[[], None] = lambda: None,
        stalled: float = _STALLED_SECONDS,
    ) -> None:
        """Create a replica; it calls ``on_listed`` when it knows all actions.

        ``mark`` distinguishes the stored templates of this cluster from those of others; ``storage`` has the outputs
        that did not fit into their objects; a client that takes nothing is cut off after ``stalled`` seconds.
        """
        self._own = own
        self._clock = clock
        self._recorder = recorder
        self._on_listed = on_listed
        self._stalled = stalled
        self._listening, self._draining = asyncio.Event(), asyncio.Event()
        self._stopping = False
        self.cache = ActionCache()
        places = ActionLocator(own.namespace, own.namespaces)
        self._informers = [
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
            AnswerReader(StoredOutputs(storage), recorder.on_task_failed),
            recorder.on_changes_sent,
        )
        templates = Templates(None if own.templates is None else f"{own.templates}{mark}/", _TEMPLATE_SECONDS, clock)
        folders = [folder for name in sorted(places.namespaces) if (folder := templates.folder_of(name)) is not None]
        self._sweeper = TemplateSweeper(
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
                rules=TaskRules(executors=own.task_types, providers=own.queues, child_policy=own.child_policy),
                templates=templates,
                watches=self.watches,
                traces=own.max_traces,
            )
        )
        self._rpc = ActionsRpc(
            calls,
            gate,
            recorder,
            clock,
            requests=own.max_concurrent_requests,
            rates=CallerRateLimiter(clock, own.max_requests_per_second),
        )

        recorder.metrics.watches_limit.set(own.max_concurrent_watches)
        recorder.metrics.watches.set_function(lambda: self.cache.watches)
        recorder.metrics.known.set_function(lambda: len(self.cache))

    def _learn_trace(self, body: Body) -> None:
        if (known := trace_of(body)) is not None:
            self.cache.store(known)

    @property
    def problems(self) -> list[str]:
        """The reasons why responses would be wrong or stale."""
        if not all(informer.listed.is_set() for informer in self._informers):
            return ["the actions have not been listed yet"]
        if any(informer.age > _STALE_SECONDS for informer in self._informers):
            return ["nothing was heard of the API server for two minutes"]
        return []

    def log_fields(self) -> Mapping[str, object]:
        """Return the address, and how callers are authenticated."""
        return {"bind": self._own.bind, "authentication": self._own.authentication}

    def health(self) -> Health:
        """Return why responses would be wrong or stale."""
        return Health(ready=lambda: self.problems)

    async def start(self, supervisor: Supervisor) -> None:
        """List the actions, then serve calls: before that, a parent would be missing and a snapshot incomplete."""
        failed = self._recorder.on_task_failed
        for informer in self._informers:
            supervisor.start("informer", informer.run(failed))
        supervisor.start("template sweeper", self._sweeper.run(failed))
        for informer in self._informers:
            await informer.listed.wait()
        self._on_listed()
        supervisor.start("server", self._serve())
        await self._listening.wait()

    def on_stopping(self) -> None:
        """Report to clients of the health service that calls should go elsewhere."""
        self._stopping = True

    async def drain(self, supervisor: Supervisor) -> None:
        """End the watches, and finish the calls in progress."""
        self.watches.stop()
        self._draining.set()
        await supervisor.join("server")

    async def _serve(self) -> None:
        own = self._own
        health = HealthService(lambda: not (self._stopping or self.problems), self._clock, [ACTIONS])
        settings = ActionsServerSettings(
            bind=ListenAddress("TASKACTION_ACTIONS_BIND", own.bind),
            connections=ConnectionLimits(total=own.max_connections, per_source=own.max_connections_per_source),
            request_bytes=own.max_request_bytes,
            grace=own.shutdown_delay.total_seconds(),
            stalled=self._stalled,
            certificate=own.tls_cert_file,
            key=own.tls_key_file,
            client_ca=own.tls_client_ca_file,
        )

        async def drained() -> None:
            self._listening.set()  # the server waits for its end when it has begun
            await self._draining.wait()

        patience = own.request_timeout.total_seconds()
        application = Application(self._rpc, health, own.max_request_bytes, self._rpc.find_refusal, patience)
        await run(application, settings, drained, self._clock, self._recorder.on_task_failed)


async def run_actions_service(config: OperatorConfig, own: ActionsConfig, stop: asyncio.Event) -> None:
    """Run the service until ``stop`` is set; then become unready, serve calls for the drain time, and end watches."""
    clock, recorder = SystemClock(), ActionsRecorder()
    options = ProcessOptions(
        settings=config,
        probes=ListenAddress("TASKACTION_ACTIONS_PROBES_BIND", own.probes_bind),
        connections=own.max_concurrent_requests * 2,
        linger=own.shutdown_delay.total_seconds(),
    )
    await Process(options, recorder, clock).run(
        lambda api: Facade(
            own,
            api.cluster,
            clock,
            recorder,
            api.credentials.fingerprint,
            storage=ProjectStorage(config.storage),
            on_listed=exclude_from_collection,
        ),
        stop,
    )
