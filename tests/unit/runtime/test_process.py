"""The life of a process: ready only between start and signal, drained before its tasks end, loud about faults."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from cluster.ports import HOST, free_port
from taskaction.core.clock import SystemClock
from taskaction.core.errors import ConfigurationError
from taskaction.runtime.config import ProcessSettings
from taskaction.runtime.listening import ListenAddress
from taskaction.runtime.probes import Health
from taskaction.runtime.process import Process, ProcessOptions, Workload
from taskaction.runtime.process_metrics import ProcessMetrics
from taskaction.runtime.recorder import ProcessRecorder
from taskaction.runtime.supervisor import Supervisor

SECONDS = 20


class Work(Workload):
    """A workload that notes what is asked of it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.may_start, self.may_drain = asyncio.Event(), asyncio.Event()
        self.started, self.stopping = asyncio.Event(), asyncio.Event()
        self.fault = asyncio.Event()
        self.error: Exception | None = None

    def health(self) -> Health:
        return Health(live=lambda: ["it hangs"], ready=lambda: ["it has a problem"] if self.fault.is_set() else [])

    def log_fields(self) -> Mapping[str, object]:
        return {"events": len(self.events)}

    async def start(self, supervisor: Supervisor) -> None:
        supervisor.start("background", self._run())
        try:
            await self.may_start.wait()
        except asyncio.CancelledError:
            self.events.append("start cancelled")
            raise
        self.events.append("started")
        self.started.set()

    def on_stopping(self) -> None:
        self.events.append("stopping")
        self.stopping.set()

    async def drain(self, supervisor: Supervisor) -> None:
        await self.may_drain.wait()
        self.events.append("drained")

    async def close(self) -> None:
        self.events.append("closed")

    async def _run(self) -> None:
        try:
            await self.fault.wait()
        except asyncio.CancelledError:
            self.events.append("background cancelled")
            raise
        if self.error is not None:
            raise self.error


class Stage:
    """One process around a workload."""

    def __init__(self, folder: Path) -> None:
        self.work, self.stop = Work(), asyncio.Event()
        self.bind = f"{HOST}:{free_port()}"
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://{HOST}:1"}}],
            "users": [{"name": "c", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        }))  # fmt: skip
        self.recorder = ProcessRecorder(ProcessMetrics("sample"), "tests")
        self._kubeconfig = kubeconfig

    def run(self, **settings: Any) -> asyncio.Task[None]:
        """Start the process."""
        options = ProcessOptions(
            settings=ProcessSettings(kubeconfig=self._kubeconfig, **settings),
            probes=ListenAddress("TASKACTION_SAMPLE_BIND", self.bind),
        )
        process = Process(options, self.recorder, SystemClock())
        return asyncio.create_task(process.run(lambda _: self.work, self.stop))

    async def ask(self, path: str) -> tuple[int, str]:
        """Give the answer of a probe; waits until somebody answers."""
        async with asyncio.timeout(SECONDS), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"http://{self.bind}{path}") as answer:
                        return answer.status, (await answer.text()).strip()
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


async def test_a_process_is_ready_between_its_start_and_a_signal(stage: Stage) -> None:
    running = stage.run()
    assert await stage.ask("/readyz") == (503, "sample is starting")
    stage.work.may_start.set()
    await stage.work.started.wait()
    assert await stage.ask("/readyz") == (200, "ok")
    stage.stop.set()
    await stage.work.stopping.wait()
    assert await stage.ask("/readyz") == (503, "sample is stopping")
    assert await stage.ask("/healthz") == (503, "it hangs")
    stage.work.may_drain.set()
    await asyncio.wait_for(running, SECONDS)
    assert stage.work.events == ["started", "stopping", "drained", "background cancelled", "closed"]


async def test_a_signal_cancels_a_start_that_does_not_end(stage: Stage) -> None:
    stage.work.may_drain.set()
    running = stage.run()
    assert (await stage.ask("/readyz"))[0] == 503
    stage.stop.set()
    await asyncio.wait_for(running, SECONDS)
    assert stage.work.events == ["stopping", "start cancelled", "drained", "background cancelled", "closed"]


@pytest.mark.parametrize("has_started", [True, False])
@pytest.mark.parametrize(
    ("error", "expected"),
    [(OSError("broken"), OSError), (None, RuntimeError), (ConfigurationError("wrong"), ConfigurationError)],
    ids=["an error", "no error", "a wrong setting"],
)
async def test_a_background_task_that_ends_ends_the_process(
    stage: Stage, error: Exception | None, expected: type[Exception], has_started: bool
) -> None:
    work = stage.work
    work.error = error
    work.may_drain.set()
    running = stage.run()
    if has_started:
        work.may_start.set()
        await work.started.wait()
    work.fault.set()
    with pytest.raises(expected, match=r"broken|background ended before|wrong"):
        await asyncio.wait_for(running, SECONDS)
    assert work.events[-2:] == ["drained", "closed"]
    counted = stage.recorder.metrics.registry.get_sample_value("taskaction_errors_total", {"error": expected.__name__})
    assert counted == (None if expected is ConfigurationError else 1.0)


async def test_what_fails_while_it_drains_is_still_closed(stage: Stage) -> None:
    async def fail(_: Supervisor) -> None:
        raise OSError("cannot drain")

    stage.work.drain = fail  # type: ignore[method-assign]
    stage.work.may_start.set()
    running = stage.run()
    await stage.work.started.wait()
    stage.stop.set()
    with pytest.raises(OSError, match="cannot drain"):
        await asyncio.wait_for(running, SECONDS)
    assert stage.work.events[-2:] == ["background cancelled", "closed"]


async def test_a_cancelled_process_is_closed(stage: Stage) -> None:
    stage.work.may_start.set()
    stage.work.may_drain.set()
    running = stage.run()
    await stage.work.started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stage.work.events[-3:] == ["drained", "background cancelled", "closed"]


@pytest.mark.parametrize(("legacy", "shown"), [(True, True), (False, False)])
async def test_former_names_of_metrics_are_exported_by_the_setting(stage: Stage, legacy: bool, shown: bool) -> None:
    stage.recorder.metrics.gauge("backlog_actions", "Number of actions.").set(3)
    stage.work.may_drain.set()
    running = stage.run(metrics_legacy_names=legacy)
    _, text = await stage.ask("/metrics")
    stage.stop.set()
    await asyncio.wait_for(running, SECONDS)
    assert ("taskaction_queue_outside 3.0" in text) is shown
    assert "taskaction_backlog_actions 3.0" in text
