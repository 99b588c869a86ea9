"""Work of one replica of the operator: start, notifications, health, and a stop that loses nothing."""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping

import structlog

from taskaction.app.control_plane import ControlPlane
from taskaction.app.initial_sync import InitialSync
from taskaction.app.observer import OperatorRecorder
from taskaction.app.watchdog import Watchdog
from taskaction.app.wiring import assemble
from taskaction.cluster.session import Freshness, open_session
from taskaction.control.objects.sweep import LIVE_SELECTOR
from taskaction.core.clock import Clock
from taskaction.handlers.noise import NoiseFilter
from taskaction.handlers.notifications import Notice, NotificationQueue
from taskaction.handlers.own_writes import OwnWriteFilter
from taskaction.handlers.unneeded import UnneededFilter
from taskaction.handlers.watches import KopfThread, KopfWatchSettings
from taskaction.plugin.registry import Plugin
from taskaction.runtime.api_session import ApiSession
from taskaction.runtime.config import OperatorConfig
from taskaction.runtime.probes import Health
from taskaction.runtime.process import Workload
from taskaction.runtime.supervisor import Supervisor

_WATCH_SECONDS = 5.0
_OBEY_SECONDS = 2.0
_FLUSH_SECONDS = 5.0


class Replica(Workload):
    """One replica of the operator."""

    def __init__(
        self,
        config: OperatorConfig,
        api: ApiSession,
        clock: Clock,
        recorder: OperatorRecorder,
        plugins: Iterable[Plugin],
        ready: Callable[[], None],
    ) -> None:
        """Create a replica; it calls ``ready`` when all existing objects are known and the workers have started."""
        self._config = config
        self._clock = clock
        self._recorder = recorder
        self._on_ready = ready
        self._started = False
        self._endings: set[asyncio.Task[None]] = set()
        self._log = structlog.stdlib.get_logger("taskaction")
        self._control = assemble(config, api.cluster, clock, recorder, recorder.metrics, random.random, tuple(plugins))
        loop = asyncio.get_running_loop()
        self._inbox = NotificationQueue(loop, self._on_notification)
        self._freshness = Freshness(clock, lambda path: _call_in_loop(loop, lambda: self._on_relisted(path)))
        self._watches = KopfWatchSettings(
            server=api.credentials.server,
            live_selector=LIVE_SELECTOR,
            silence=config.watch_idle_timeout.total_seconds(),
            namespaces=config.watch_namespaces,
            of_cluster=config.cluster_providers,
        )
        self._sync = InitialSync(self._freshness, self._inbox, clock, self._watches.count)
        self._watching = self._watch_thread(api)
        self._watchdog = Watchdog(loop, clock, self._control.tenures, config.lease_duration.total_seconds())
        self._show_gauges(self._control)

    def log_fields(self) -> Mapping[str, object]:
        """Return the replica's name and what it has at the moment."""
        control = self._control
        return {
            "identity": self._config.identity,
            "live": len(control.table),
            "shards": control.tenures.held_count,
            "running": control.manager.running_count,
        }

    def health(self) -> Health:
        """Return stale watches, and plug-ins that cannot be loaded."""
        stale_after = self._config.watch_stale_after.total_seconds()

        def live() -> list[str]:
            problems = [
                f"stale watch: nothing received from {path} for {age:.0f}s"
                for path, age in self._freshness.ages().items()
                if age > stale_after
            ]
            return problems if self._watching.alive or not self._started else [*problems, "the watch has ended"]

        def ready() -> list[str]:
            problems = [] if self._started else ["initial lists are incomplete"]
            guard = self._control.tenures.clock_guard
            if not guard.is_clock_right:
                problems.append(
                    f"the clock differs from the API server's by {guard.skew_seconds():+.0f}s: correct the node's clock"
                )
            failures = self._control.registry.failures
            return [*problems, *(f"plug-in {failure.entry_point}: {failure.error}" for failure in failures), *live()]

        return Health(live=live, ready=ready)

    async def start(self, supervisor: Supervisor) -> None:
        """Start the workers after all existing objects are known, so that the order of partitions is known."""
        control, interval = self._control, self._config.scan_interval.total_seconds()
        self._watchdog.start()
        for failure in control.registry.failures:
            self._log.error("plug-in cannot be loaded", entry_point=failure.entry_point, error=str(failure.error))
        for name, work in control.background_work(interval, self._recorder.on_task_failed).items():
            supervisor.start(name, work)
        self._watching.start()
        await self._sync.wait()
        control.start_processing()
        self._started = True
        self._on_ready()

    async def drain(self, supervisor: Supervisor) -> None:  # noqa: ARG002 - the hook of the frame
        """Stop the watches, end calls and write their results; each shard is released when its calls have ended."""
        self._endings.add(asyncio.create_task(self._stop_watching(), name="stop watching"))
        self._control.leases.leave()
        await self._end_calls()
        await self._control.background.finish(_FLUSH_SECONDS)

    async def close(self) -> None:
        """Release the remaining shards, and close the plug-ins."""
        await self._control.leases.release()
        await self._control.base.history.close(_FLUSH_SECONDS)
        self._watchdog.stop()
        self._endings.add(asyncio.create_task(self._control.registry.close(), name="close plug-ins"))
        await asyncio.wait(self._endings, timeout=_WATCH_SECONDS)

    def _watch_thread(self, api: ApiSession) -> KopfThread:
        control = self._control
        own_writes = OwnWriteFilter(control.table.is_own_end, control.runs.table.is_own_end)
        noise, unneeded = NoiseFilter(), UnneededFilter(control.actions.relevance)
        return KopfThread(
            self._watches,
            lambda: open_session(
                api.credentials,
                freshness=self._freshness,
                is_noise=lambda line: unneeded.is_unneeded(line) or own_writes.is_echo(line) or noise.is_noise(line),
            ),
            self._inbox,
            lambda error: self._recorder.on_task_failed("watching", error),
        )

    async def _stop_watching(self) -> None:
        if self._watching.alive:
            await self._watching.stop(_WATCH_SECONDS)

    async def _end_calls(self) -> None:
        """Wait for calls within the drain timeout, then cancel them, and abandon those that ignore the cancel."""
        seconds = self._config.drain_timeout.total_seconds()
        drained = asyncio.create_task(self._control.manager.drain(seconds + _OBEY_SECONDS + 1.0), name="drain")
        await asyncio.wait({drained}, timeout=seconds)
        if not drained.done():
            await self._control.actions.handover.interrupt(_OBEY_SECONDS)
        await drained

    def _on_notification(self, notice: Notice) -> None:
        kind, event, body = notice
        self._sync.on_notification(event)
        try:
            self._control.dispatch_notification(kind, event, body)
        except Exception as error:  # noqa: BLE001 - one invalid object must not stop the others
            self._recorder.on_task_failed(f"notice of {kind} {body['metadata'].get('name')}", error)

    def _on_relisted(self, path: str) -> None:
        self._control.gap_sweeps.request(path.rpartition("/")[2])

    def _show_gauges(self, control: ControlPlane) -> None:
        metrics = self._recorder.metrics
        metrics.queue_depth.set_function(lambda: control.manager.queued_count)
        metrics.backlog.set_function(lambda: control.manager.backlog_count)
        metrics.parked.set_function(lambda: control.manager.parked_count)
        metrics.workers.set(self._config.workers_count)
        metrics.workers_busy.set_function(lambda: control.manager.running_count)
        metrics.shards.set(self._config.shards)
        metrics.clock_skew.set_function(control.tenures.clock_guard.skew_seconds)
        metrics.shards_held.set_function(lambda: control.tenures.held_count)
        metrics.action_events.set_function(lambda: len(control.actions.dispatcher))
        metrics.live.set_function(lambda: len(control.table))
        metrics.runs_live.set_function(lambda: len(control.runs.table))
        metrics.schedules.set_function(lambda: len(control.base.schedules))
        metrics.watch_reduced.set_function(lambda: control.base.scope.is_reduced)
        metrics.notices.set_function(lambda: len(self._inbox))
        metrics.watch_age.set_function(lambda: max(self._freshness.ages().values(), default=0.0))


def _call_in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call ``call`` in the event loop of the operator; used from kopf's thread."""
    loop.call_soon_threadsafe(call)
