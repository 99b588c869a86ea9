"""Frame of every process: signals, connection to the API server, probes, supervision and drain; knows no work."""

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from signal import SIGINT, SIGTERM
from typing import Any

from taskaction.core.clock import Clock
from taskaction.core.errors import ConfigurationError
from taskaction.runtime import logs
from taskaction.runtime.api_session import ApiSession, open_api_session
from taskaction.runtime.config import ProcessSettings
from taskaction.runtime.connections import LimitedLoop
from taskaction.runtime.listening import ListenAddress
from taskaction.runtime.probes import Health, ProbeServer
from taskaction.runtime.recorder import ProcessRecorder
from taskaction.runtime.supervisor import Supervisor

GC_THRESHOLDS = (10_000, 10, 50)
"""Reference counts free almost all objects; a search for cycles after every 700 new ones finds few, and costs CPU.

One among the 10,000 newest objects pauses the event loop for about 5 ms. One among all objects is 500 times as rare.
"""
_LAG_SECONDS = 1.0
_EXIT_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOptions:
    """What the frame needs to know of a process.

    Attributes:
        settings: those that all processes have.
        probes: where /healthz, /readyz and /metrics are served.
        connections: maximum number of connections to the API server; 0 is unlimited.
        linger: seconds in which a process that stops is not ready and still serves, until no clients are sent to it.
    """

    settings: ProcessSettings
    probes: ListenAddress
    connections: int = 0
    linger: float = 0.0


class Workload:
    """Work of one process, which the frame starts, observes and stops; the defaults do nothing."""

    def health(self) -> Health:
        """Return why the process is not healthy, apart from what the frame itself knows."""
        return Health()

    def log_fields(self) -> Mapping[str, object]:
        """Return what the log shows when the process starts, is ready and stops."""
        return {}

    async def start(self, supervisor: Supervisor) -> None:
        """Start background tasks, and return when the work is served; cancelled if the process stops before."""

    def on_stopping(self) -> None:
        """Learn that the process stops; it still serves while it lingers."""

    async def drain(self, supervisor: Supervisor) -> None:
        """Accept nothing more, and finish the work in progress; background tasks still run."""

    async def close(self) -> None:
        """Release everything; background tasks have ended."""


class Process:
    """Life of one process from its connection to the API server to the end of its work."""

    def __init__(self, options: ProcessOptions, recorder: ProcessRecorder[Any], clock: Clock) -> None:
        self._options = options
        self._recorder = recorder
        self._clock = clock
        self._started = self._stopping = False

    async def run(self, build: Callable[[ApiSession], Workload], stop: asyncio.Event) -> None:
        """Run until ``stop`` is set, then drain.

        Raises:
            ConfigurationError: there are no credentials, or an address to listen on is not available.
            Exception: the error of a background task that ended before the process stopped.
        """
        options, settings = self._options, self._options.settings
        if settings.metrics_legacy_names:
            self._recorder.metrics.export_former_names()
        async with open_api_session(
            self._clock,
            kubeconfig=settings.kubeconfig,
            context=settings.context,
            connections=options.connections,
            observe=self._recorder.on_api_request,
        ) as api:
            workload = build(api)
            probes = ProbeServer(options.probes, self._health(workload), self._recorder.metrics.registry)
            try:
                await probes.start()
                self._recorder.on_process_changed("starting", server=api.credentials.server, **workload.log_fields())
                await self._work(workload, stop)
            finally:
                await probes.stop()

    async def _work(self, workload: Workload, stop: asyncio.Event) -> None:
        supervisor = Supervisor()
        supervisor.start("loop lag", self._measure_loop_lag())
        start = asyncio.create_task(workload.start(supervisor), name="start")
        ends = [asyncio.create_task(stop.wait()), asyncio.create_task(supervisor.wait_for_end())]
        try:
            await asyncio.wait({start, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                start.result()
                self._started = True
                self._recorder.on_process_changed("is ready", **workload.log_fields())
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            supervisor.raise_if_ended()
        except ConfigurationError:
            raise  # its message is for whoever started the process
        except Exception as error:
            self._recorder.on_task_failed("run the process", error)
            raise
        finally:
            self._stopping = True
            self._recorder.on_process_changed("stopping", **workload.log_fields())
            workload.on_stopping()
            await _cancel(start, *ends)
            await self._stop(workload, supervisor, linger=self._options.linger if self._started else 0.0)

    async def _stop(self, workload: Workload, supervisor: Supervisor, *, linger: float) -> None:
        try:
            await self._clock.sleep(linger)
            await workload.drain(supervisor)
        finally:
            await supervisor.cancel()
            await workload.close()

    def _health(self, workload: Workload) -> Health:
        health, component = workload.health(), self._recorder.metrics.component

        def ready() -> list[str]:
            problems = [] if self._started else [f"{component} is starting"]
            return [f"{component} is stopping"] if self._stopping else [*problems, *health.ready()]

        return Health(live=health.live, ready=ready)

    async def _measure_loop_lag(self) -> None:
        while True:
            before = self._clock.monotonic()
            await self._clock.sleep(_LAG_SECONDS)
            self._recorder.metrics.loop_lag.set(max(0.0, self._clock.monotonic() - before - _LAG_SECONDS))


@contextmanager
def stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set ``stop`` on SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (SIGTERM, SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (SIGTERM, SIGINT):
            loop.remove_signal_handler(number)


def tune_process(settings: ProcessSettings) -> None:
    """Configure logs and garbage collection."""
    logs.configure_logs(settings.log_format, settings.log_level)
    if settings.log_format == "json":
        logs.log_what_python_prints()
    gc.set_threshold(*GC_THRESHOLDS)


def run_until_signalled(run: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Call ``run`` in an event loop, with an event that SIGTERM and SIGINT set; the process ends soon after it."""

    async def serve() -> None:
        stop = asyncio.Event()
        with stop_on_signals(stop):
            try:
                await run(stop)
            except BaseException:
                _force_exit(1)
                raise
        _force_exit(0)

    exclude_from_collection()  # classes and functions stay
    with asyncio.Runner(loop_factory=LimitedLoop) as runner:
        runner.run(serve())


def exclude_from_collection() -> None:
    """Exclude what exists from searches for cycles: it stays, and each search would stop the event loop for longer."""
    gc.collect()
    gc.freeze()


def _force_exit(code: int) -> None:
    """End the process soon if it still runs: tasks and threads of a plug-in may ignore their end."""
    timer = threading.Timer(_EXIT_SECONDS, os._exit, (code,))
    timer.daemon = True
    timer.start()


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
