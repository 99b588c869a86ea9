"""One control plane on loopback: etcd, kube-apiserver, kube-controller-manager; knows not where they come from."""

import json
import signal
import ssl
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from cluster import commands, keys
from cluster.commands import APISERVER, CONTROLLERS, ETCD
from cluster.kubectl import Kubectl
from cluster.ports import HOST, Ports, is_listening
from cluster.processes import start, wait_until
from cluster.state import StateFolder

START_SECONDS = 90
SETTINGS = "settings.json"
DEFAULT_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


class ControlPlane:
    """A control plane of one's own; without `state` it is thrown away and dies with this process.

    With `state` it lives until somebody stops it, and a later start finds the same data, ports and keys again.
    """

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
        self.ports = self._settle_ports(programs)
        self.url = f"https://{HOST}:{self.ports.apiserver}"
        self.kubeconfig = self.folder.path / keys.ADMIN_KUBECONFIG
        self.kubectl = Kubectl(programs / "kubectl", self.kubeconfig)
        self._binaries = programs
        self._programs = self.folder.programs()
        path = self.folder.path
        self._flags = {
            ETCD: [*commands.etcd(path, self.ports), *etcd_flags],
            APISERVER: [*commands.apiserver(path, self.ports), *apiserver_flags],
            CONTROLLERS: commands.controllers(path, self.ports, kube_api_qps=kube_api_qps),
        }

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
            keys.write_keys(self.folder, self.url)
            self._start(ETCD, lambda: is_listening(self.ports.etcd))
            self.start_apiserver()
            self._start(CONTROLLERS, lambda: self._answers(DEFAULT_ACCOUNT))
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
        """Tell whether every program runs."""
        return all(name in self._programs and self._programs[name].is_running() for name in self._flags)

    @property
    def pids(self) -> dict[str, int]:
        """The pid of each program that was started, by name."""
        return {name: program.pid for name, program in self._programs.items()}

    def log(self, name: str) -> Path:
        """Give the log file of a program."""
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
        """Let a frozen API server go on."""
        self._programs[APISERVER].signal(signal.SIGCONT)

    def apiserver_metrics(self) -> str:
        """Read the API server's own metrics, in Prometheus' text format."""
        return self._get("/metrics", timeout=30)

    def _start(self, name: str, answers: Callable[[], bool]) -> None:
        running = self._programs.get(name)
        if not (running and running.is_running()):
            command = [str(self._binaries / name), *self._flags[name]]
            mark, tied = str(self.folder.path), not self.folder.kept
            self._programs[name] = start(name, command, mark=mark, log=self.log(name), tied=tied)
            self.folder.record(self._programs)
        wait_until(answers, timeout=START_SECONDS, what=f"{name} to answer", program=self._programs[name])

    def _answers(self, path: str) -> bool:
        try:
            self._get(path, timeout=2)
        except OSError:  # refused, timed out, or an HTTP error
            return False
        return True

    def _get(self, path: str, *, timeout: float) -> str:
        trust = ssl.create_default_context(cafile=self.folder.path / keys.CA)
        trust.load_cert_chain(self.folder.path / keys.ADMIN)
        with urllib.request.urlopen(self.url + path, timeout=timeout, context=trust) as answer:  # noqa: S310 - https by construction
            return str(answer.read(), "utf-8")

    def _settle_ports(self, programs: Path) -> Ports:
        path = self.folder.path / SETTINGS
        if path.exists():
            return Ports(**json.loads(path.read_text())["ports"])
        ports = Ports.free()
        self.folder.write(SETTINGS, json.dumps({"programs": str(programs), "ports": ports.to_dict()}))
        return ports
