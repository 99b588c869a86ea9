"""Ocean's ``ExecutionManager``: runs a replica of the operator in this process, with the registered executors."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Protocol

import structlog

from taskaction.app.operator import Operator, tune_process
from taskaction.core.errors import ConfigurationError
from taskaction.integrations.port.ocean.adapter import executor_name
from taskaction.integrations.port.ocean.context import ocean
from taskaction.integrations.port.ocean.executor import AbstractExecutor, Hosted
from taskaction.integrations.port.ocean.webhooks import Processor
from taskaction.plugin.registry import DuplicateActionExecutorError, Registry
from taskaction.plugin.settings import SettingsReader
from taskaction.runtime.config import OperatorConfig
from taskaction.runtime.logs import log_settings
from taskaction.runtime.process import stop_on_signals

_STOP_SECONDS = 15.0
"""Additional time after running calls, to close watches, write statuses and release shards."""


class WebhookManager(Protocol):
    """Receiver of webhook processors; ``taskaction webhooks serve`` finds them without one."""

    def register_processor(self, path: str, processor: Processor) -> None:
        """Register a processor."""


class SignalHandler(Protocol):
    """Caller of ``shutdown`` when the process must stop."""

    def register(self, callback: Callable[[], Awaitable[None]]) -> object:
        """Register a callback."""


class ExecutionManager:
    """Manager that runs Ocean executors against the cluster of ``KUBECONFIG``, or the cluster of the pod.

    Args:
        workers_count: maximum number of concurrent calls of executors.
        poll_check_interval_seconds: interval of ``poll`` for executors that override it.
        max_wait_seconds_before_shutdown: time for running calls to end at shutdown.
        webhook_manager: receiver of webhook processors.
        signal_handler: caller of ``shutdown``; without one, SIGTERM and SIGINT stop the operator.
        runs_buffer_high_watermark: maximum number of runs in the queue; further ones wait in the backlog.
        max_runs_buffer_util_pct_per_action: maximum share of one executor or provider in percent; None for all.
        visibility_timeout_ms: ignored: a run belongs to its owner while the owner renews its Lease.

    All other settings are those of the operator, ``TASKACTION_…`` in the environment.
    """

    def __init__(
        self,
        *,
        webhook_manager: WebhookManager | None = None,
        signal_handler: SignalHandler | None = None,
        runs_buffer_high_watermark: int = 1000,
        workers_count: int = 1,
        poll_check_interval_seconds: float = 5,
        visibility_timeout_ms: int = 30_000,  # noqa: ARG002 - Ocean's signature
        max_wait_seconds_before_shutdown: float = 30,
        max_runs_buffer_util_pct_per_action: int | None = None,
    ) -> None:
        self._webhook_manager = webhook_manager
        self._poll_seconds = poll_check_interval_seconds
        self._patience = max_wait_seconds_before_shutdown
        self._settings = {
            "workers_count": max(1, workers_count),
            "runs_buffer_high_watermark": runs_buffer_high_watermark,
            "max_runs_buffer_util_pct_per_action": max_runs_buffer_util_pct_per_action,
            "drain_timeout": timedelta(seconds=max_wait_seconds_before_shutdown),
        }
        self._executors: dict[str, AbstractExecutor] = {}
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._has_signal_handler = signal_handler is not None
        if signal_handler is not None:
            signal_handler.register(self.shutdown)

    def register_executor(self, executor: AbstractExecutor) -> None:
        """Register an executor before the start.

        Raises:
            DuplicateActionExecutorError: another executor has the same name or ``spec.executor``.
            ConfigurationError: the name is not valid as ``spec.executor``, or the operator already runs.
        """
        if self._task is not None:
            raise ConfigurationError(f"register {executor.ACTION_NAME!r} before start_processing_action_runs")
        label = executor_name(executor.ACTION_NAME)
        if label in self._executors:
            raise DuplicateActionExecutorError(executor.ACTION_NAME)
        self._executors[label] = executor
        if self._webhook_manager is not None and executor.WEBHOOK_PROCESSOR_CLASS is not None:
            self._webhook_manager.register_processor(executor.WEBHOOK_PATH or "", executor.WEBHOOK_PROCESSOR_CLASS)

    async def start_processing_action_runs(self) -> None:
        """Start, and return when all objects are listed and workers run.

        Raises:
            DuplicateActionExecutorError: an executor has the name of an installed one.
            TaskActionError: there is no cluster, or a setting is invalid.
        """
        if self._task is not None:
            raise ConfigurationError("start_processing_action_runs was already called")
        for executor in ocean.registered:
            if executor not in self._executors.values():
                self.register_executor(executor)
        settings = SettingsReader(os.environ).check(OperatorConfig, *Registry.find_settings().values())
        config = self._config()
        tune_process(config)
        log_settings(settings)
        structlog.stdlib.get_logger("taskaction.ocean").info("Ocean executors", executors=sorted(self._executors))
        plugins = [Hosted(executor, poll_seconds=self._poll_seconds) for executor in self._executors.values()]
        operator = Operator(config, plugins)
        self._task = asyncio.create_task(self._run(operator), name="taskaction operator")
        ready = asyncio.create_task(operator.ready.wait())
        await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done():
            await self._task

    async def wait_until_stopped(self) -> None:
        """Wait until ``shutdown`` or a signal has stopped the operator; raises the error that ended it otherwise."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def shutdown(self) -> None:
        """Stop starting runs, wait for calls, write their outcomes, and let another replica take over at once.

        Calls longer than ``max_wait_seconds_before_shutdown`` are cancelled: the next owner ends such a run as
        Interrupted, or continues it if it is idempotent or has an external id.
        """
        if self._task is None:
            return
        self._stop.set()
        done, _ = await asyncio.wait({self._task}, timeout=self._patience + _STOP_SECONDS)
        if not done:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_STOP_SECONDS)

    async def _run(self, operator: Operator) -> None:
        with nullcontext() if self._has_signal_handler else stop_on_signals(self._stop):
            await operator.run(self._stop)

    def _config(self) -> OperatorConfig:
        return OperatorConfig.from_environment(os.environ, **self._settings)
