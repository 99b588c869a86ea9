"""``ExecutionManager`` takes what Ocean's takes, and says at once what cannot work."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.plugin.ocean_executors import PartitionExecutor, ReportExecutor, TriggerExecutor, TriggerProcessor
from taskaction.core.errors import ConfigurationError, TaskActionError
from taskaction.integrations.port.ocean import AbstractExecutor, DuplicateActionExecutorError, ExecutionManager, ocean


class Webhooks:
    def __init__(self) -> None:
        self.registered: list[tuple[str, type]] = []

    def register_processor(self, path: str, processor: type) -> None:
        self.registered.append((path, processor))


class Signals:
    def __init__(self) -> None:
        self.callbacks: list[Callable[[], Awaitable[None]]] = []

    def register(self, callback: Callable[[], Awaitable[None]]) -> None:
        self.callbacks.append(callback)


def test_it_takes_the_arguments_of_oceans() -> None:
    signals = Signals()
    manager = ExecutionManager(
        webhook_manager=Webhooks(),
        signal_handler=signals,
        runs_buffer_high_watermark=300,
        workers_count=3,
        poll_check_interval_seconds=10,
        visibility_timeout_ms=60_000,
        max_wait_seconds_before_shutdown=5.0,
        max_runs_buffer_util_pct_per_action=30,
    )
    assert signals.callbacks == [manager.shutdown]


@pytest.mark.parametrize(("workers", "expected"), [(3, 3), (1, 1), (0, 1)])
def test_its_settings_go_before_the_environments(workers: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKACTION_WORKERS_COUNT", "7")
    monkeypatch.setenv("TASKACTION_SHARDS", "5")
    config = ExecutionManager(workers_count=workers, max_wait_seconds_before_shutdown=4.5)._config()
    assert (config.workers_count, config.drain_timeout.total_seconds(), config.shards) == (expected, 4.5, 5)


@pytest.mark.parametrize(
    "setting", [{"runs_buffer_high_watermark": 0}, {"max_runs_buffer_util_pct_per_action": 101}], ids=str
)
def test_a_setting_that_cannot_be_is_named(setting: dict[str, Any]) -> None:
    (name,) = setting
    with pytest.raises(ConfigurationError, match=name):
        ExecutionManager(**setting)._config()


def test_its_buffer_is_the_seeds_by_default() -> None:
    config = ExecutionManager()._config()
    assert (config.workers_count, config.runs_buffer_high_watermark) == (1, 1000)
    assert config.max_runs_buffer_util_pct_per_action is None
    assert config.drain_timeout.total_seconds() == 30


def test_a_webhook_processor_is_made_known_at_its_path() -> None:
    webhooks = Webhooks()
    manager = ExecutionManager(webhook_manager=webhooks)
    manager.register_executor(TriggerExecutor())
    manager.register_executor(ReportExecutor())
    assert webhooks.registered == [("/webhook/ocean", TriggerProcessor)]


class Again(ReportExecutor):
    ACTION_NAME = "Ocean-Report"


@pytest.mark.parametrize("kind", [ReportExecutor, Again])
def test_a_name_is_taken_once_also_in_another_spelling(kind: type[AbstractExecutor]) -> None:
    manager = ExecutionManager()
    manager.register_executor(ReportExecutor())
    with pytest.raises(DuplicateActionExecutorError, match="already registered"):
        manager.register_executor(kind())


def test_an_executor_without_a_usable_name_is_refused() -> None:
    class Unnamed(ReportExecutor):
        ACTION_NAME = "_"

    with pytest.raises(ConfigurationError, match="ACTION_NAME"):
        ExecutionManager().register_executor(Unnamed())


async def test_without_a_cluster_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    monkeypatch.setattr(
        "taskaction.integrations.port.ocean.manager.tune_process", lambda _: None
    )  # the test's process stays as it is
    with pytest.raises(TaskActionError, match="KUBECONFIG"):
        await ExecutionManager().start_processing_action_runs()


async def test_stopping_what_never_started_does_nothing() -> None:
    manager = ExecutionManager()
    await manager.shutdown()
    await manager.wait_until_stopped()


async def test_executors_registered_with_the_context_are_taken_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    registered: list[Any] = []
    monkeypatch.setattr(ocean, "registered", registered)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    monkeypatch.setattr("taskaction.integrations.port.ocean.manager.tune_process", lambda _: None)
    ocean.register_action_executor(PartitionExecutor())
    manager = ExecutionManager()
    with pytest.raises(TaskActionError):
        await manager.start_processing_action_runs()
    assert list(manager._executors) == ["ocean-partition"]
    with pytest.raises(ConfigurationError, match="before start_processing_action_runs"):
        manager.register_executor(ReportExecutor())
