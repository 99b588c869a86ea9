"""The one place where the operator is put together, started and stopped; it decides nothing about actions."""

import asyncio
import gc
import random
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import structlog

from taskaction.app.control_plane import Control
from taskaction.app.observer import OperatorJournal
from taskaction.app.watchdog import Watchdog, force_exit
from taskaction.app.wiring import assemble
from taskaction.cluster.credentials import Credentials
from taskaction.cluster.rest import RestCluster
from taskaction.cluster.session import Freshness, open_session
from taskaction.control.objects.sweep import LIVE_SELECTOR
from taskaction.control.uninstall import Releaser
from taskaction.core.clock import SystemClock
from taskaction.handlers.noise import Chatter
from taskaction.handlers.notifications import Inbox, Notice
from taskaction.handlers.own_writes import Echoes
from taskaction.handlers.watches import Watching, WatchSettings
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
"""Room for the JSON that ``cluster.nesting`` lets through, also in Python's own reader, which kopf uses."""
_GC_THRESHOLD = 50_000
"""Objects here die by their reference counts; looking for cycles after every 700 new ones finds none, and costs CPU."""
_WATCH_SECONDS = 5.0
_OBEY_SECONDS = 2.0
_FLUSH_SECONDS = 5.0
_EXIT_SECONDS = 3.0


class Operator:
    """One replica of the operator.

    Attributes:
        ready: set when everything that exists has been seen, and workers have started.
    """

    def __init__(self, config: OperatorConfig, plugins: Iterable[Plugin] = ()) -> None:
        """Take the settings, and executors beside those that are installed."""
        self.ready = asyncio.Event()
        self._config = config
        self._plugins = tuple(plugins)
        self._clock = SystemClock()
        self._metrics = Metrics()
        self._journal = OperatorJournal(self._metrics, self._clock)
        self._log = structlog.stdlib.get_logger("taskaction")
        self._started = False
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set; then stop what listens, what works, what writes and what owns, in this order."""
        config = self._config
        loop = asyncio.get_running_loop()
        credentials = Credentials.load(self._clock, kubeconfig=config.kubeconfig, context=config.context)
        async with open_session(credentials, in_flight=config.writes_in_flight * 2) as session:
            cluster = RestCluster(credentials.server, session, self._metrics.requested)
            control = assemble(config, cluster, self._clock, self._journal, self._metrics, random.random, self._plugins)
            freshness = Freshness(self._clock, lambda path: _hand_over(loop, lambda: self._relisted(control, path)))
            echoes, chatter = Echoes(control.table.finished, control.runs.table.finished), Chatter()
            inbox = Inbox(loop, lambda notice: self._notice(control, notice))
            watches = WatchSettings(
                server=credentials.server,
                live_selector=LIVE_SELECTOR,
                silence=config.watch_silence.total_seconds(),
                namespaces=config.watch_namespaces,
                of_cluster=config.cluster_providers,
            )
            watching = Watching(
                watches,
                lambda: open_session(
                    credentials,
                    freshness=freshness,
                    is_noise=lambda line: echoes.is_echo(line) or chatter.is_chatter(line),
                ),
                inbox,
                lambda error: self._journal.failed("watching", error),
            )
            probes = ProbeServer(
                "TASKACTION_BIND", config.bind, self._health(control, freshness, watching), self._metrics.registry
            )
            watchdog = Watchdog(loop, self._clock, control.leases, config.lease_duration.total_seconds())
            self._show(control, inbox, freshness)
            await probes.start()
            watchdog.start()
            for failure in control.registry.failures:
                self._log.error("plug-in cannot be loaded", entry_point=failure.entry_point, error=str(failure.error))
            self._log.info("operator starts", identity=config.identity, server=credentials.server)
            try:
                self._start(control)
                watching.start()
                await self._synced(control, freshness, inbox, stop, watches.count)
                await stop.wait()
            finally:
                self._log.info("operator stops", running=control.manager.running)
                deafness = asyncio.create_task(watching.stop(_WATCH_SECONDS), name="stop watching")
                control.leases.leave()  # each shard goes as soon as its calls have ended
                await self._drain(control)
                await control.background.finish(_FLUSH_SECONDS)
                await self._cancel_tasks()
                await control.leases.release()
                watchdog.stop()
                closing = asyncio.create_task(control.registry.close(), name="close plug-ins")
                await asyncio.wait({deafness, closing}, timeout=_WATCH_SECONDS)
                await probes.stop()

    async def _drain(self, control: Control) -> None:
        """Let calls end within the drain timeout, then interrupt them, and give up on those that do not obey."""
        seconds = self._config.drain_timeout.total_seconds()
        drained = asyncio.create_task(control.manager.drain(seconds + _OBEY_SECONDS + 1.0), name="drain")
        await asyncio.wait({drained}, timeout=seconds)
        if not drained.done():
            await control.handover.interrupt(_OBEY_SECONDS)
        await drained

    def _start(self, control: Control) -> None:
        interval = self._config.scan_interval.total_seconds()
        work = control.work(interval, self._journal.failed) | {"lag": self._measure_lag()}
        self._tasks = [asyncio.create_task(coroutine, name=name) for name, coroutine in work.items()]

    async def _synced(
        self, control: Control, freshness: Freshness, inbox: Inbox, stop: asyncio.Event, watches: int
    ) -> None:
        """Start workers when everything that exists has been seen, so that the order of partitions is known.

        Only what is listed is waited for: in a cluster at work there is always news.
        """
        while not stop.is_set():
            before = control.listed
            await self._clock.sleep(_SYNC_POLL_SECONDS if len(freshness.watched) < watches else _SETTLE_SECONDS)
            if len(freshness.watched) >= watches and not len(inbox) and control.listed == before:
                break
        control.manager.start_processing_action_runs()
        self._started = True
        self.ready.set()
        self._log.info("operator is ready", live=len(control.table), shards=control.leases.held)

    def _notice(self, control: Control, notice: Notice) -> None:
        kind, event, body = notice
        control.listed += event is None
        try:
            control.notice(kind, event, body)
        except Exception as error:  # noqa: BLE001 - one object must not stop the others
            self._journal.failed(f"notice of {kind} {body['metadata'].get('name')}", error)

    def _relisted(self, control: Control, path: str) -> None:
        """Sweep after a gap of the watch: what vanished in it is reported by nobody."""
        if path.endswith("/taskactions"):
            control.background.start(control.sweeper.sweep(), name="sweep after a gap")
        elif path.endswith("/actionflowruns"):
            control.background.start(control.runs.sweeper.sweep(), name="sweep runs after a gap")
        elif path.endswith("/actionevents"):
            control.background.start(control.deliveries.sweep(), name="sweep ActionEvents after a gap")

    def _health(self, control: Control, freshness: Freshness, watching: Watching) -> Health:
        deaf_after = self._config.deaf_after.total_seconds()

        def live() -> list[str]:
            problems = [
                f"nothing heard of {path} for {age:.0f}s" for path, age in freshness.ages().items() if age > deaf_after
            ]
            return problems if watching.alive or not self._started else [*problems, "the watch has ended"]

        def ready() -> list[str]:
            problems = [] if self._started else ["the initial lists are not over"]
            problems += [f"plug-in {failure.entry_point}: {failure.error}" for failure in control.registry.failures]
            return problems + live()

        return Health(live=live, ready=ready)

    def _show(self, control: Control, inbox: Inbox, freshness: Freshness) -> None:
        self._metrics.gauges(
            {
                "queue_depth": ("Actions that wait for a worker.", lambda: control.manager.queued),
                "queue_outside": (
                    "Actions that wait outside of a full queue.",
                    lambda: control.manager.outside,
                ),
                "actions_parked": (
                    "Actions that wait for a quota of their target.",
                    lambda: control.manager.parked,
                ),
                "workers": ("Calls of executors that there may be at a time.", lambda: self._config.workers_count),
                "shards": ("Shards that there are, for all replicas together.", lambda: self._config.shards),
                "workers_busy": ("Workers that are taken.", lambda: control.manager.running),
                "action_events_waiting": (
                    "ActionEvents that no action has taken yet.",
                    lambda: len(control.deliveries),
                ),
                "actions_live": ("Actions that have not ended.", lambda: len(control.table)),
                "flow_runs_live": ("Runs of flows that have not ended.", lambda: len(control.runs.table)),
                "shards_held": ("Shards that this replica owns.", lambda: control.leases.held),
                "notices_waiting": ("Notifications that were not looked at yet.", lambda: len(inbox)),
                "watch_age_seconds": (
                    "Seconds since the watch that has been silent longest was heard of.",
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
def signalled(stop: asyncio.Event) -> Iterator[None]:
    """Have SIGTERM and SIGINT set ``stop``."""
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
    with signalled(stop):
        await Operator(config).run(stop)
    force_exit(_EXIT_SECONDS)


def tune_process(config: OperatorConfig) -> None:
    """Set up what belongs to the whole process: logs, garbage collection, room for deep JSON."""
    configure_logs(config.log_format, config.log_level)
    gc.set_threshold(_GC_THRESHOLD)
    sys.setrecursionlimit(_RECURSION_LIMIT)


async def released(config: OperatorConfig, seconds: float, say: Callable[[str], None]) -> int:
    """End what is unfinished, before the operator goes for good; give how many actions had no confirmed end."""
    clock = SystemClock()
    credentials = Credentials.load(clock, kubeconfig=config.kubeconfig, context=config.context)
    async with open_session(credentials) as session:
        cluster = RestCluster(credentials.server, session, lambda _: None)
        return await Releaser(cluster, clock, config.watch_namespaces, say).run(seconds)


def _hand_over(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Have ``call`` made in the engine's loop; used from kopf's thread."""
    loop.call_soon_threadsafe(call)
