"""Assembly, start and stop of one replica; decides nothing about actions."""

import asyncio
import gc
import random
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import structlog

from taskaction.app.control_plane import ControlPlane
from taskaction.app.observer import OperatorRecorder
from taskaction.app.watchdog import Watchdog, force_exit
from taskaction.app.wiring import assemble
from taskaction.cluster.credentials import Credentials
from taskaction.cluster.rest import RestCluster
from taskaction.cluster.session import Freshness, open_session
from taskaction.control.objects.sweep import LIVE_SELECTOR
from taskaction.control.uninstall import UninstallRunner
from taskaction.core.clock import SystemClock
from taskaction.handlers.noise import NoiseFilter
from taskaction.handlers.notifications import Notice, NotificationQueue
from taskaction.handlers.own_writes import OwnWriteFilter
from taskaction.handlers.watches import KopfThread, KopfWatchSettings
from taskaction.plugin.registry import Plugin
from taskaction.runtime.config import OperatorConfig
from taskaction.runtime.logs import configure_logs
from taskaction.runtime.metrics import Metrics
from taskaction.runtime.probes import Health, ProbeServer

_SETTLE_SECONDS = 0.2
_SYNC_POLL_SECONDS = 0.05
_LAG_SECONDS = 1.0
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_RECURSION_LIMIT = 4_000
"""Depth for the JSON that ``cluster.nesting`` accepts, also in Python's own parser, which kopf uses."""
_GC_THRESHOLD = 50_000
"""Reference counts free almost all objects; a search for cycles after every 700 new ones finds none, and costs CPU."""
_WATCH_SECONDS = 5.0
_OBEY_SECONDS = 2.0
_FLUSH_SECONDS = 5.0
_EXIT_SECONDS = 3.0


class Operator:
    """One replica of the operator.

    Attributes:
        ready: set when all existing objects are known and the workers have started.
    """

    def __init__(self, config: OperatorConfig, plugins: Iterable[Plugin] = ()) -> None:
        """Create a replica; ``plugins`` are executors in addition to the installed ones."""
        self.ready = asyncio.Event()
        self._config = config
        self._plugins = tuple(plugins)
        self._clock = SystemClock()
        self._metrics = Metrics()
        self._journal = OperatorRecorder(self._metrics, self._clock)
        self._log = structlog.stdlib.get_logger("taskaction")
        self._started = False
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set; then stop watches, calls, writes and leases, in this order."""
        config = self._config
        loop = asyncio.get_running_loop()
        credentials = Credentials.load(self._clock, kubeconfig=config.kubeconfig, context=config.context)
        async with open_session(credentials, in_flight=config.writes_in_flight * 2) as session:
            cluster = RestCluster(credentials.server, session, self._metrics.requested)
            control = assemble(config, cluster, self._clock, self._journal, self._metrics, random.random, self._plugins)
            freshness = Freshness(
                self._clock, lambda path: _call_in_loop(loop, lambda: self._on_relisted(control, path))
            )
            echoes, chatter = OwnWriteFilter(control.table.finished, control.runs.table.finished), NoiseFilter()
            inbox = NotificationQueue(loop, lambda notice: self._on_notification(control, notice))
            watches = KopfWatchSettings(
                server=credentials.server,
                live_selector=LIVE_SELECTOR,
                silence=config.watch_idle_timeout.total_seconds(),
                namespaces=config.watch_namespaces,
                of_cluster=config.cluster_providers,
            )
            watching = KopfThread(
                watches,
                lambda: open_session(
                    credentials,
                    freshness=freshness,
                    is_noise=lambda line: echoes.is_echo(line) or chatter.is_noise(line),
                ),
                inbox,
                lambda error: self._journal.on_task_failed("watching", error),
            )
            probes = ProbeServer(
                "TASKACTION_BIND", config.bind, self._health(control, freshness, watching), self._metrics.registry
            )
            watchdog = Watchdog(loop, self._clock, control.tenures, config.lease_duration.total_seconds())
            self._register_gauges(control, inbox, freshness)
            await probes.start()
            watchdog.start()
            for failure in control.registry.failures:
                self._log.error("plug-in cannot be loaded", entry_point=failure.entry_point, error=str(failure.error))
            self._log.info("operator starting", identity=config.identity, server=credentials.server)
            try:
                self._start(control)
                watching.start()
                await self._wait_for_sync(control, freshness, inbox, stop, watches.count)
                await stop.wait()
            finally:
                self._log.info("operator stopping", running=control.manager.running_count)
                deafness = asyncio.create_task(watching.stop(_WATCH_SECONDS), name="stop watching")
                control.leases.leave()  # each shard is released as soon as its calls have ended
                await self._drain(control)
                await control.background.finish(_FLUSH_SECONDS)
                await self._cancel_tasks()
                await control.leases.release()
                watchdog.stop()
                closing = asyncio.create_task(control.registry.close(), name="close plug-ins")
                await asyncio.wait({deafness, closing}, timeout=_WATCH_SECONDS)
                await probes.stop()

    async def _drain(self, control: ControlPlane) -> None:
        """Wait for calls within the drain timeout, then cancel them, and abandon those that ignore the cancel."""
        seconds = self._config.drain_timeout.total_seconds()
        drained = asyncio.create_task(control.manager.drain(seconds + _OBEY_SECONDS + 1.0), name="drain")
        await asyncio.wait({drained}, timeout=seconds)
        if not drained.done():
            await control.actions.handover.interrupt(_OBEY_SECONDS)
        await drained

    def _start(self, control: ControlPlane) -> None:
        interval = self._config.scan_interval.total_seconds()
        work = control.background_work(interval, self._journal.on_task_failed) | {"lag": self._measure_lag()}
        self._tasks = [asyncio.create_task(coroutine, name=name) for name, coroutine in work.items()]

    async def _wait_for_sync(
        self, control: ControlPlane, freshness: Freshness, inbox: NotificationQueue, stop: asyncio.Event, watches: int
    ) -> None:
        """Start the workers after all existing objects are known, so that the order of partitions is known.

        Only listed objects are waited for, because a busy cluster always has new notifications.
        """
        while not stop.is_set():
            before = control.listed
            await self._clock.sleep(_SYNC_POLL_SECONDS if len(freshness.watched_paths) < watches else _SETTLE_SECONDS)
            if len(freshness.watched_paths) >= watches and not len(inbox) and control.listed == before:
                break
        control.start_processing()
        self._started = True
        self.ready.set()
        self._log.info("operator is ready", live=len(control.table), shards=control.tenures.held_count)

    def _on_notification(self, control: ControlPlane, notice: Notice) -> None:
        kind, event, body = notice
        control.listed += event is None
        try:
            control.dispatch_notification(kind, event, body)
        except Exception as error:  # noqa: BLE001 - one invalid object must not stop the others
            self._journal.on_task_failed(f"notice of {kind} {body['metadata'].get('name')}", error)

    def _on_relisted(self, control: ControlPlane, path: str) -> None:
        """Sweep after a gap of the watch, because nothing reports the deletions in it."""
        if path.endswith("/taskactions"):
            control.background.start(control.actions.sweeper.sweep(), name="sweep after a gap")
        elif path.endswith("/actionflowruns"):
            control.background.start(control.runs.sweeper.sweep(), name="sweep runs after a gap")
        elif path.endswith("/actionevents"):
            control.background.start(control.actions.dispatcher.sweep(), name="sweep ActionEvents after a gap")

    def _health(self, control: ControlPlane, freshness: Freshness, watching: KopfThread) -> Health:
        stale_after = self._config.watch_stale_after.total_seconds()

        def live() -> list[str]:
            problems = [
                f"stale watch: nothing received from {path} for {age:.0f}s"
                for path, age in freshness.ages().items()
                if age > stale_after
            ]
            return problems if watching.alive or not self._started else [*problems, "the watch has ended"]

        def ready() -> list[str]:
            problems = [] if self._started else ["initial lists are incomplete"]
            problems += [f"plug-in {failure.entry_point}: {failure.error}" for failure in control.registry.failures]
            return problems + live()

        return Health(live=live, ready=ready)

    def _register_gauges(self, control: ControlPlane, inbox: NotificationQueue, freshness: Freshness) -> None:
        self._metrics.add_gauges(
            {
                "queue_depth": ("Number of actions waiting for a worker.", lambda: control.manager.queued_count),
                "queue_outside": (
                    "Number of actions waiting outside a full queue.",
                    lambda: control.manager.backlog_count,
                ),
                "actions_parked": (
                    "Number of actions parked until a quota of their target is renewed.",
                    lambda: control.manager.parked_count,
                ),
                "workers": ("Maximum number of concurrent executor calls.", lambda: self._config.workers_count),
                "shards": ("Number of shards, for all replicas together.", lambda: self._config.shards),
                "workers_busy": ("Number of busy workers.", lambda: control.manager.running_count),
                "action_events_waiting": (
                    "Number of ActionEvents that no action has consumed yet.",
                    lambda: len(control.actions.dispatcher),
                ),
                "actions_live": ("Number of unfinished actions.", lambda: len(control.table)),
                "flow_runs_live": ("Number of unfinished flow runs.", lambda: len(control.runs.table)),
                "shards_held": ("Number of shards that this replica owns.", lambda: control.tenures.held_count),
                "notices_waiting": ("Number of notifications waiting to be processed.", lambda: len(inbox)),
                "watch_age_seconds": (
                    "Seconds since the last event of the most silent watch.",
                    lambda: max(freshness.ages().values(), default=0.0),
                ),
            }
        )

    async def _measure_lag(self) -> None:
        while True:
            before = self._clock.monotonic()
            await self._clock.sleep(_LAG_SECONDS)
            self._metrics.loop_lag.set(max(0.0, self._clock.monotonic() - before - _LAG_SECONDS))

    async def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task


@contextmanager
def stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set ``stop`` on SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for name in _STOP_SIGNALS:
        loop.add_signal_handler(name, stop.set)
    try:
        yield
    finally:
        for name in _STOP_SIGNALS:
            loop.remove_signal_handler(name)


async def run_until_signalled(config: OperatorConfig) -> None:
    """Run one replica until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    with stop_on_signals(stop):
        await Operator(config).run(stop)
    force_exit(_EXIT_SECONDS)


def tune_process(config: OperatorConfig) -> None:
    """Configure the process: logs, garbage collection, recursion limit."""
    configure_logs(config.log_format, config.log_level)
    gc.set_threshold(_GC_THRESHOLD)
    sys.setrecursionlimit(_RECURSION_LIMIT)


async def run_uninstall(config: OperatorConfig, seconds: float, say: Callable[[str], None]) -> int:
    """End all unfinished actions and runs before an uninstall; return the number without a confirmed end."""
    clock = SystemClock()
    credentials = Credentials.load(clock, kubeconfig=config.kubeconfig, context=config.context)
    async with open_session(credentials) as session:
        cluster = RestCluster(credentials.server, session, lambda _: None)
        return await UninstallRunner(cluster, clock, config.watch_namespaces, say).run(seconds)


def _call_in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call ``call`` in the event loop of the operator; used from kopf's thread."""
    loop.call_soon_threadsafe(call)
