"""The operator as a process on this machine, next to its cluster; knows its command line and its probes, no more."""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from cluster.errors import ClusterError
from cluster.ports import HOST, free_port, is_free
from cluster.processes import POLL_SECONDS, Program, start, wait_until
from local.manifests import ROOT

NAMESPACE = "taskaction-system"
USUAL_PORT = 8080
READY = "ready"
READY_SECONDS = 60
STOP_SECONDS = 40  # it drains for 20, then writes and releases
LOOPBACK = "127.0.0.0/8"
"""What the `http` executor may reach here beside the public addresses: the demo's server."""


class Launch(Protocol):
    """How the process is started, by default as `cluster.processes.start` does."""

    def __call__(
        self, name: str, command: list[str], *, mark: str, log: Path, tied: bool, env: Mapping[str, str]
    ) -> Program:
        """Start a program."""


@dataclass(frozen=True)
class Operator:
    """One running operator."""

    program: Program
    url: str

    @classmethod
    def start(
        cls,
        kubeconfig: Path,
        *,
        log: Path,
        tied: bool,
        settings: Mapping[str, str] = MappingProxyType({}),
        launch: Launch = start,
        ready_seconds: float = READY_SECONDS,
    ) -> "Operator":
        """Start it and return when it says that it is ready; `settings` go before what the environment says."""
        command = [str(Path(sys.executable).with_name("taskaction")), "operator", "run"]
        bind = settings.get("TASKACTION_BIND") or os.environ.get("TASKACTION_BIND") or f"{HOST}:{usual_port()}"
        env = {
            "TASKACTION_HTTP_ALLOWED_CIDRS": LOOPBACK,
            "TASKACTION_LOG_FORMAT": "console",
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "TASKACTION_BIND": bind,
            "TASKACTION_NAMESPACE": NAMESPACE,
            **settings,
        }
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (*example_plugins(), env.get("PYTHONPATH"))))
        env.pop("TASKACTION_CONTEXT", None)  # it has chosen the cluster; this kubeconfig has one context only
        log.unlink(missing_ok=True)  # what an earlier one said would only mislead
        program = launch("operator", command, mark=mark(), log=log, tied=tied, env=env)
        operator = cls(program, f"http://{bind}")
        try:
            what = "the operator to be ready"
            wait_until(operator.is_ready, timeout=ready_seconds, what=what, program=program, every=POLL_SECONDS)
        except ClusterError as error:
            said = operator.readiness()
            program.end()
            raise ClusterError(f"{error}\nits readiness probe says: {said}") from error
        except BaseException:
            program.end()
            raise
        return operator

    def is_ready(self) -> bool:
        """Ask its readiness probe."""
        return self.readiness() == READY

    def readiness(self) -> str:
        """Return what its readiness probe says is missing."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2):  # noqa: S310 - http by construction
                return READY
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.read().decode(errors="replace").strip()
        except OSError as error:
            return str(error)

    def stop(self) -> None:
        """Wait for it to drain, within a bound."""
        self.program.end(grace=STOP_SECONDS)


def example_plugins() -> list[str]:
    """Return the folders of the examples' own executors, which are installed nowhere: metadata, then code."""
    found = sorted((ROOT / "examples").glob("[0-9][0-9]-*/plugin"))
    return [str(path) for plugin in found for path in (plugin, plugin.parent)]


def mark() -> str:
    """Return what tells this checkout's operator from any other process."""
    return f"{Path(sys.executable).with_name('taskaction')} operator run"


def usual_port() -> int:
    """Return the usual port, or another one where several clusters are worked on at once."""
    return USUAL_PORT if is_free(USUAL_PORT) else free_port()
