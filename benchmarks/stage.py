"""Where figures are measured: a throw-away control plane, an operator beside it, and the load process's event loop."""

import asyncio
import os
import tempfile
import time
import urllib.request
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar

import uvloop

from benchmarks.load import Load
from benchmarks.metrics import Writes, cpu_of, memory_of, total
from cluster import keys
from cluster.binaries import Heartbeat, Say
from cluster.controlplane import ControlPlane
from cluster.processes import wait_until
from local import account, manifests
from local.operator_process import NAMESPACE, READY_SECONDS, Operator

PLUGIN = Path(__file__).with_name("plugin")
WORK = "bench"
"""The namespace whose actions the operator runs."""
RAW = "bench-raw"
"""The namespace that the operator does not watch where `WATCH_ONE` is set: the ceiling is measured there."""
WATCH_ONE = MappingProxyType({"TASKACTION_WATCH_NAMESPACES": WORK})
QUICK_STOP = MappingProxyType({"TASKACTION_DRAIN_TIMEOUT": "1s"})
SETTLED_SECONDS = 3.0
T = TypeVar("T")


class Stage:
    """One control plane for the figures of one group; leaving it ends everything that runs on it."""

    def __init__(self, plane: ControlPlane, say: Say) -> None:
        """Start nothing yet."""
        self.say = say
        self.plane = plane
        self._exits = ExitStack()
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

    def __enter__(self) -> Self:
        """Bring up the control plane with the project's kinds, and connect the load process."""
        with ExitStack() as exits:
            exits.callback(self.plane.stop)
            self._folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="taskaction-bench-")))
            self.plane.start()
            manifests.install(self.plane.kubectl, say=self.say)
            for namespace in NAMESPACE, WORK, RAW:
                self.plane.kubectl("create", "namespace", namespace)
            self._own = account.create(self.plane.kubectl, NAMESPACE, self._folder / "operator.kubeconfig")
            exits.enter_context(self._runner)
            path = self.plane.folder.path
            self.load = Load(self.plane.url, ca=path / keys.CA, user=path / keys.ADMIN)
            self.run(self.load.__aenter__())
            exits.callback(lambda: self.run(self.load.__aexit__()))
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, operators first."""
        self._exits.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run in the load process's loop; the connections outlive the call."""
        return self._runner.run(work)

    @property
    def kubeconfig(self) -> Path:
        """The operator's kubeconfig."""
        return self._own

    def start(
        self,
        settings: Mapping[str, str] = MappingProxyType({}),
        *,
        kubeconfig: Path | None = None,
        ready_seconds: float = READY_SECONDS,
    ) -> Operator:
        """Start an operator as it runs in production, with the benchmark's plug-ins."""
        operator = Operator.start(
            kubeconfig or self._own,
            log=self._folder / "operator.log",
            tied=True,
            settings={"PYTHONPATH": self.python_path(), "TASKACTION_LOG_FORMAT": "json", **settings},
            ready_seconds=ready_seconds,
        )
        self._exits.callback(operator.program.end)
        return operator

    def python_path(self, *folders: Path) -> str:
        """Return where an operator finds the benchmark's plug-ins, and the modules of further folders."""
        return os.pathsep.join(filter(None, (*map(str, folders), str(PLUGIN), os.environ.get("PYTHONPATH"))))

    @contextmanager
    def operator(
        self, settings: Mapping[str, str] = MappingProxyType({}), *, ready_seconds: float = READY_SECONDS
    ) -> Iterator[Operator]:
        """Have an operator for as long as the block lasts."""
        operator = self.start(settings, ready_seconds=ready_seconds)
        try:
            yield operator
        finally:
            operator.program.end(grace=5)

    def writes(self) -> Writes:
        """Read how often each kind of object was written so far."""
        return Writes.of(self.plane.apiserver_metrics())

    def settle(self) -> Writes:
        """Return when no action was written for a while, with all writes so far."""
        last, since = self.writes(), time.monotonic()
        while time.monotonic() - since < SETTLED_SECONDS:
            time.sleep(0.2)
            now = self.writes()
            if now.of_resource("taskactions") != last.of_resource("taskactions"):
                last, since = now, time.monotonic()
        return self.writes()

    def wait(self, operator: Operator, name: str, count: int, *, timeout: float) -> None:
        """Return when a metric of the operator has reached a value; say how far it is."""
        heartbeat = Heartbeat(self.say)

        def reached() -> bool:
            value = metric(operator, name)
            heartbeat.beat(f"  {name}: {value:.0f} of {count}")
            return value >= count

        wait_until(reached, timeout=timeout, what=f"{name} to reach {count}", program=operator.program, every=0.1)


def metric(operator: Operator, name: str) -> float:
    """Give what an operator says of itself, summed over labels; nothing as long as it does not answer."""
    try:
        with urllib.request.urlopen(f"{operator.url}/metrics", timeout=10) as answer:  # noqa: S310 - http by construction
            return total(answer.read().decode(), f"taskaction_{name}")
    except OSError:
        return 0.0


def cpu(operator: Operator) -> float:
    """Give the CPU seconds that an operator has used."""
    return cpu_of(operator.program.pid)


def memory(operator: Operator) -> float:
    """Give an operator's resident memory in MB."""
    return memory_of(operator.program.pid)
