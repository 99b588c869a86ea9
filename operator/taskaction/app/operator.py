"""The operator as a process, and its release before an uninstall; decides nothing about actions."""

import asyncio
import sys
from collections.abc import Callable, Iterable

from taskaction.app.observer import OperatorRecorder
from taskaction.app.operator_metrics import OperatorMetrics
from taskaction.app.replica import Replica
from taskaction.control.lease_removal import LeaseRemover
from taskaction.control.uninstall import UninstallRunner
from taskaction.core.clock import SystemClock
from taskaction.plugin.registry import Plugin
from taskaction.runtime import process
from taskaction.runtime.api_session import open_api_session
from taskaction.runtime.config import OperatorConfig
from taskaction.runtime.listening import ListenAddress
from taskaction.runtime.process import Process, ProcessOptions

_RECURSION_LIMIT = 4_000
"""Depth for the JSON that ``cluster.nesting`` accepts, also in Python's own parser, which kopf uses."""


class Operator:
    """Process of one replica.

    Attributes:
        ready: set when all existing objects are known and the workers have started.
    """

    def __init__(self, config: OperatorConfig, plugins: Iterable[Plugin] = ()) -> None:
        """Create a replica; ``plugins`` are executors in addition to the installed ones."""
        self.ready = asyncio.Event()
        self._config = config
        self._plugins = tuple(plugins)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set; then stop watches, calls, writes and leases, in this order."""
        config, clock = self._config, SystemClock()
        recorder = OperatorRecorder(OperatorMetrics(), clock)
        options = ProcessOptions(
            settings=config,
            probes=ListenAddress("TASKACTION_BIND", config.bind),
            connections=config.writes_in_flight * 2,
        )
        await Process(options, recorder, clock).run(
            lambda api: Replica(config, api, clock, recorder, self._plugins, self.ready.set), stop
        )


def tune_process(config: OperatorConfig) -> None:
    """Configure logs, garbage collection and recursion limit of the process."""
    process.tune_process(config)
    sys.setrecursionlimit(_RECURSION_LIMIT)


async def run_uninstall(
    config: OperatorConfig, seconds: float, say: Callable[[str], None], *, deployment: str | None = None
) -> int:
    """End all unfinished actions and runs before an uninstall; return the number without a confirmed end.

    ``deployment`` is that of the operator, if it is to stop and give its Leases back.
    """
    clock = SystemClock()
    async with open_api_session(clock, kubeconfig=config.kubeconfig, context=config.context) as api:
        left = await UninstallRunner(api.cluster, clock, config.watch_namespaces, say).run(seconds)
        if deployment is not None:
            patience = (config.drain_timeout + config.lease_duration).total_seconds()
            await LeaseRemover(api.cluster, clock, config.namespace, say).run(deployment, patience)
        return left
