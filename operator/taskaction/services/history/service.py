"""History service as a process: wiring, start and stop; makes no decisions."""

import asyncio
from collections.abc import Mapping

from taskaction.app.history_wiring import database_url
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import Cluster
from taskaction.cluster.reviews import CallerReviews
from taskaction.core.clock import Clock, SystemClock
from taskaction.history.errors import HistoryError
from taskaction.history.reader import HistoryReader
from taskaction.history.retention import HistoryRetention
from taskaction.runtime.config import OperatorConfig
from taskaction.runtime.connections import ConnectionLimits
from taskaction.runtime.listening import ListenAddress
from taskaction.runtime.process import Process, ProcessOptions, Workload
from taskaction.runtime.supervisor import Supervisor
from taskaction.services.history.access import HistoryAccess
from taskaction.services.history.endpoints import HistoryEndpoints
from taskaction.services.history.recorder import HistoryServeRecorder
from taskaction.services.history.server import HistoryServer, HistoryServerSettings
from taskaction.services.history.settings import HistoryServeConfig

_RETRY_SECONDS = 1.0
_NO_TOKEN = "none"  # noqa: S105 - a text that is no token, so that its review needs no right but that to review
"""What is reviewed to see that the API server answers."""


class HistoryService(Workload):
    """Replica of the service; any number may run, since the database has all shared state."""

    def __init__(
        self,
        own: HistoryServeConfig,
        reader: HistoryReader,
        retention: HistoryRetention | None,
        cluster: Cluster,
        clock: Clock,
        recorder: HistoryServeRecorder,
    ) -> None:
        """Create a replica; without ``retention`` it deletes nothing on its own."""
        self._bind = own.bind
        self._retention = retention
        self._interval = own.retention_interval.total_seconds()
        self._reader = reader
        self._clock = clock
        self._recorder = recorder
        self._reviews = CallerReviews(cluster, clock, own.audiences)
        access = HistoryAccess(self._reviews)
        self._server = HistoryServer(
            HistoryServerSettings(
                bind=ListenAddress("TASKACTION_HISTORY_SERVE_BIND", own.bind),
                requests=own.max_concurrent_requests,
                per_caller=own.max_concurrent_requests_per_caller,
                connections=ConnectionLimits(total=own.max_connections, per_source=own.max_connections_per_source),
            ),
            access,
            HistoryEndpoints(reader, access, clock),
            recorder,
            clock,
        )

    def log_fields(self) -> Mapping[str, object]:
        """Return the address."""
        return {"bind": self._bind}

    async def start(self, supervisor: Supervisor) -> None:
        """Accept requests once API server and database answer; later, callers are told what is away, and can retry."""
        await self._server.start()
        while not await self._is_answered():
            await self._clock.sleep(_RETRY_SECONDS)
        if self._retention is not None:
            supervisor.start("retention", self._retain(self._retention))

    async def drain(self, supervisor: Supervisor) -> None:  # noqa: ARG002 - the hook of the frame
        """Stop listening, and finish requests in progress."""
        await self._server.stop()

    async def close(self) -> None:
        """Close the connections to the database."""
        await self._reader.close()
        if self._retention is not None:
            await self._retention.close()

    async def _retain(self, retention: HistoryRetention) -> None:
        while True:
            try:
                self._recorder.on_retained(await retention.apply())
            except HistoryError as error:
                self._recorder.on_database_failed(error)
            await self._clock.sleep(self._interval)

    async def _is_answered(self) -> bool:
        """Whether the API server reviews tokens, and the database answers."""
        try:
            await self._reviews.find_caller(_NO_TOKEN)
            await self._reader.check()
        except ClusterError as error:
            self._recorder.on_task_failed("review a token", error)
            return False
        except HistoryError as error:
            self._recorder.on_database_failed(error)
            return False
        return True


async def run_history_service(config: OperatorConfig, own: HistoryServeConfig, stop: asyncio.Event) -> None:
    """Run the service until ``stop`` is set; then report not ready, serve for the delay, and finish requests.

    Raises:
        ConfigurationError: no database is named, or its URL is invalid.
    """
    clock, recorder = SystemClock(), HistoryServeRecorder()
    options = ProcessOptions(
        settings=config,
        probes=ListenAddress("TASKACTION_HISTORY_SERVE_PROBES_BIND", own.probes_bind),
        connections=own.max_concurrent_requests * 2,
        linger=own.shutdown_delay.total_seconds(),
    )
    url, rules = database_url(config), own.retention()
    reader = HistoryReader.open(url, connections=own.database_connections, seconds=own.query_timeout.total_seconds())
    retention = None if rules.is_empty else HistoryRetention.open(url, rules, clock)
    await Process(options, recorder, clock).run(
        lambda api: HistoryService(own, reader, retention, api.cluster, clock, recorder), stop
    )
