"""One control plane on loopback: etcd, kube-apiserver, kube-controller-manager; knows not where they come from."""

import json
import os
import signal
import ssl
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from cluster import commands, keys
from cluster.commands import APISERVER, CONTROLLERS, ETCD
from cluster.kubectl import Kubectl
from cluster.ports import HOST, Ports, is_listening
from cluster.processes import start, wait_until
from cluster.state import StateFolder

START_SECONDS = 90
SETTINGS = "settings.json"
COLLECTION_PERCENT = "400"
"""Growth of the heap between two garbage collections: a quarter of a short-lived API server's time is spent on them."""
DEFAULT_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


class ControlPlane:
    """A control plane of one's own; without `state` it is thrown away and dies with this process.

    With `state` it lives until somebody stops it, and a later start finds the same data, ports and keys again.
    """

    pods: ClassVar[str] = "none"
    """What becomes of pods; written down, since a kept one has to stay what it is."""

    def __init__(
        self,
        programs: Path,
        *,
        state: Path | None = None,
        kube_api_qps: int = 20,
        apiserver_flags: Sequence[str] = (),
        etcd_flags: Sequence[str] = (),
    ) -> None:
        """Prepare the folder; starts nothing yet."""
        self.folder = StateFolder.at(state) if state else StateFolder.throw_away()
        self.ports, self.url = self._settle(programs)
        self.kubeconfig = self.folder.path / keys.ADMIN_KUBECONFIG
        self.kubectl = Kubectl(programs / "kubectl", self.kubeconfig)
        self.binaries = programs
        self._programs = self.folder.programs()
        self._flags = self._own_flags(kube_api_qps)
        self._flags[ETCD] += etcd_flags
        self._flags[APISERVER] += apiserver_flags

    @classmethod
    def attach(cls, state: Path) -> Self | None:
        """Find a kept control plane again, if all of it still runs."""
        settings = state / SETTINGS
        if not settings.exists():
            return None
        plane = cls(Path(json.loads(settings.read_text())["programs"]), state=state)
        return plane if plane.is_running() else None

    def start(self) -> Self:
        """Start what is not running yet and return when all of it works; after a failure nothing is left running."""
        try:
            self._bring_up()
        except BaseException:
            self.stop(keep_state=self.folder.kept)
            raise
        return self

    def stop(self, *, keep_state: bool = False) -> None:
        """End every process; the files go too, unless they are to be kept."""
        self.folder.end_programs()  # also what another process has restarted
        for program in self._programs.values():
            program.end()
        if not keep_state:
            self.folder.remove()

    def __enter__(self) -> Self:
        """Start for as long as the block lasts."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop and throw away."""
        self.stop()

    def is_running(self) -> bool:
        """Whether every program runs."""
        return all(name in self._programs and self._programs[name].is_running() for name in self._flags)

    @property
    def pids(self) -> dict[str, int]:
        """The pid of each program that was started, by name."""
        return {name: program.pid for name, program in self._programs.items()}

    def log(self, name: str) -> Path:
        """Return the log file of a program."""
        return self.folder.path / "log" / f"{name}.log"

    def start_apiserver(self) -> None:
        """Start the API server, on the port it had before, and return when it is ready."""
        self._start(APISERVER, lambda: self._answers("/readyz"))

    def kill_apiserver(self) -> None:
        """Kill -9 the API server; the data stay in etcd."""
        self._programs[APISERVER].end()

    def restart_apiserver(self) -> None:
        """Kill -9 the API server and start it again."""
        self.kill_apiserver()
        self.start_apiserver()

    def pause_apiserver(self) -> None:
        """Freeze the API server with its connections open: peers see silence, not an end."""
        self._programs[APISERVER].signal(signal.SIGSTOP)

    def resume_apiserver(self) -> None:
        """Continue a frozen API server."""
        self._programs[APISERVER].signal(signal.SIGCONT)

    def apiserver_metrics(self) -> str:
        """Read the API server's own metrics, in Prometheus' text format."""
        return self._get("/metrics", timeout=30)

    def _own_flags(self, kube_api_qps: int) -> dict[str, list[str]]:
        path = self.folder.path
        return {
            ETCD: commands.etcd(path, self.ports),
            APISERVER: commands.apiserver(path, self.ports),
            CONTROLLERS: commands.controllers(path, self.ports, kube_api_qps=kube_api_qps),
        }

    def _bring_up(self) -> None:
        keys.write_keys(self.folder, self.url)
        self._start(ETCD, lambda: is_listening(self.ports.etcd))
        self.start_apiserver()
        self._start(CONTROLLERS, lambda: self._answers(DEFAULT_ACCOUNT))

    def _start(self, name: str, answers: Callable[[], bool]) -> None:
        self._launch(name)
        self._await(name, answers)

    def _await(self, name: str, answers: Callable[[], bool]) -> None:
        wait_until(answers, timeout=START_SECONDS, what=f"{name} to answer", program=self._programs[name])

    def _launch(self, name: str) -> None:
        running = self._programs.get(name)
        if running and running.is_running():
            return
        mark, tied = str(self.folder.path), not self.folder.kept
        # Nothing of it leaves this machine, and a proxy would not know its addresses.
        env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        if tied:
            env.setdefault("GOGC", COLLECTION_PERCENT)
        self._programs[name] = start(name, self._command(name), mark=mark, log=self.log(name), tied=tied, env=env)
        self.folder.record(self._programs)

    def _command(self, name: str) -> list[str]:
        return [str(self.binaries / name), *self._flags[name]]

    def _answers(self, path: str) -> bool:
        try:
            self._get(path, timeout=2)
        except OSError:  # refused, timed out, or an HTTP error
            return False
        return True

    def _get(self, path: str, *, timeout: float) -> str:
        trust = ssl.create_default_context(cafile=self.folder.path / keys.CA)
        trust.load_cert_chain(self.folder.path / keys.ADMIN)
        without_proxy = urllib.request.ProxyHandler({})
        opener = urllib.request.build_opener(without_proxy, urllib.request.HTTPSHandler(context=trust))
        with opener.open(self.url + path, timeout=timeout) as answer:
            return str(answer.read(), "utf-8")

    def _settle(self, programs: Path) -> tuple[Ports, str]:
        kept = self._settings({"programs": str(programs), "pods": self.pods, "ports": Ports.free().to_dict()})
        ports = Ports(**kept["ports"])
        return ports, f"https://{HOST}:{ports.apiserver}"

    def _settings(self, first: dict[str, Any]) -> dict[str, Any]:
        """Return what the first start settled."""
        path = self.folder.path / SETTINGS
        if not path.exists():
            self.folder.write(SETTINGS, json.dumps(first))
        return dict(json.loads(path.read_text()))
