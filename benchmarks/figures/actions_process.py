"""The Actions service as a process beside a measurement, and what it says of itself."""

import os
import re
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.metrics import cpu_of
from benchmarks.stage import WORK, Stage
from cluster.ports import HOST, free_port
from cluster.processes import Program, start, wait_until

_REQUESTS = re.compile(r'^taskaction_api_request_seconds_count\{.*verb="(\w+)".*\} ([0-9.e+]+)$', re.MULTILINE)
READY_SECONDS = 60
PARENT = "parent"
"""The type of tasks that go on until they are aborted; all others are mapped to ``noop``."""


class ActionsProcess:
    """One service without authentication, whose tasks do nothing."""

    program: Program

    def __init__(self, stage: Stage) -> None:
        """Start nothing yet."""
        self._stage = stage
        self.url = f"http://{HOST}:{free_port()}"
        self._probes = f"http://{HOST}:{free_port()}"

    def __enter__(self) -> Self:
        """Start it and return when it is ready."""
        env = {
            **os.environ,
            "KUBECONFIG": str(self._stage.plane.kubeconfig),
            "TASKACTION_LOG_LEVEL": "warning",
            "TASKACTION_ACTIONS_AUTHENTICATION": "none",
            "TASKACTION_ACTIONS_NAMESPACE": WORK,
            "TASKACTION_ACTIONS_TASK_TYPES": f"{PARENT}=approval,*=noop",
            "TASKACTION_ACTIONS_BIND": self.url.removeprefix("http://"),
            "TASKACTION_ACTIONS_PROBES_BIND": self._probes.removeprefix("http://"),
            "TASKACTION_ACTIONS_SHUTDOWN_DELAY": "100ms",
        }
        command = [str(Path(sys.executable).with_name("taskaction")), "actions", "serve"]
        log = self._stage.plane.folder.path / "actions.log"
        self.program = start("actions service", command, mark=" ".join(command), log=log, tied=True, env=env)
        wait_until(self._is_ready, timeout=READY_SECONDS, what="the Actions service", program=self.program)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.program.end(grace=20)

    def api_calls(self) -> float:
        """Give how many requests it has made of the API server, its watches apart."""
        with urllib.request.urlopen(f"{self._probes}/metrics", timeout=5) as answer:  # noqa: S310 - http by construction
            text = answer.read().decode()
        return sum(float(count) for verb, count in _REQUESTS.findall(text) if verb != "watch")

    def cpu(self) -> float:
        """Give the seconds of CPU time that it has used."""
        return cpu_of(self.program.pid)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._probes}/readyz", timeout=2):  # noqa: S310 - http by construction
                return True
        except OSError:
            return False
