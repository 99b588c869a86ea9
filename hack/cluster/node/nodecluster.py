"""A control plane with one real node, in mount, pid and network namespaces of its own.

One process, `unshare`, holds all of it: its end is the end of every process, mount and link. What the kernel leaves
are the folder and the control groups, which `StateFolder` removes.
"""

import subprocess
import sys
import time
from pathlib import Path

from cluster import cgroups, commands, keys
from cluster.commands import APISERVER, CONTROLLERS, ETCD, SCHEDULER
from cluster.controlplane import DEFAULT_ACCOUNT, ControlPlane
from cluster.errors import ClusterError
from cluster.node import images, inside, settings
from cluster.node.link import GATEWAY, Link
from cluster.node.settings import CONTAINERD, KUBELET, NODE
from cluster.nodes import ready_nodes
from cluster.ports import Ports
from cluster.processes import start, wait_until
from cluster.state import CGROUP

NAMESPACES = "namespaces"
INNER_PID = "inner.pid"
UNSHARE = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child=KILL", "--propagation=private")
INSIDE_SECONDS = 20
SERVICE = "10.0.0.1"
"""The address at which pods look for the API server: the first of the service range."""
PORTS = Ports(apiserver=443, etcd=2379, etcd_peer=2380, controllers=10257)
"""The usual ones, since in a network of its own nothing else can have taken them."""
USERS = {**keys.USERS, "kubelet": (f"system:node:{NODE}", "system:nodes")}
IMAGES = {settings.PAUSE_IMAGE: images.PAUSE, settings.BUSYBOX_IMAGE: images.SHELL}


class NodeCluster(ControlPlane):
    """A control plane that truly runs pods; its folder of programs holds those of a node as well."""

    pods = "real"

    def import_image(self, archive: Path | str) -> None:
        """Return the node an image from a tar file, in OCI's or Docker's form."""
        self._import(Path(archive).read_bytes())

    def enter(self, *namespaces: str) -> list[str]:
        """Return the beginning of a command that runs inside, in all namespaces or in those that are named."""
        pid = (self.folder.path / INNER_PID).read_text()
        chosen = namespaces or ("mount", "pid", "net")
        return ["nsenter", f"--target={pid}", *(f"--{name}" for name in chosen)]

    def _settle(self, programs: Path) -> tuple[Ports, str]:
        kept = self._settings({"programs": str(programs), "pods": self.pods, "link": Link.free().number})
        self.link = Link(kept["link"])
        return PORTS, f"https://{self.link.node}:{PORTS.apiserver}"

    def _own_flags(self, kube_api_qps: int) -> dict[str, list[str]]:
        path = self.folder.path
        flags = super()._own_flags(kube_api_qps)
        flags[APISERVER] += settings.apiserver(path)
        return {
            **flags,
            SCHEDULER: commands.scheduler(path),
            CONTAINERD: settings.containerd(path),
            KUBELET: settings.kubelet(path),
        }

    def _command(self, name: str) -> list[str]:
        return [*self.enter(), "--", *super()._command(name)]

    def _bring_up(self) -> None:
        begun = 0 if self.is_running() else time.time()
        servers = {"apiserver": (*keys.SERVER_NAMES, self.link.node, GATEWAY), "kubelet": (GATEWAY, NODE)}
        keys.write_keys(self.folder, self.url, servers=servers, users=USERS)
        for name, content in settings.files(self.folder.path, self.binaries, self.link.name).items():
            self.folder.write(name, content)
        self._open_namespaces()
        self._launch(ETCD)
        self._launch(CONTAINERD)
        self._launch(APISERVER)
        self._await(CONTAINERD, lambda: self._ctr("version").returncode == 0)
        for name, command in IMAGES.items():
            self._import(images.image(self.binaries / "busybox", command, name))
        self._await(APISERVER, lambda: self._answers("/readyz"))
        for name in CONTROLLERS, SCHEDULER, KUBELET:
            self._launch(name)
        self._await(CONTROLLERS, lambda: self._answers(DEFAULT_ACCOUNT))
        self._await(KUBELET, lambda: bool(ready_nodes(self.kubectl, since=begun)))

    def _open_namespaces(self) -> None:
        running = self._programs.get(NAMESPACES)
        if running and running.is_running():
            return
        for program in self._programs.values():  # they ran in earlier namespaces, and ended with them
            program.end()
        path = self.folder.path
        told = path / INNER_PID
        told.unlink(missing_ok=True)
        self.folder.write(CGROUP, self.link.name)
        cgroups.make(self.link.name)
        (path / "node").mkdir(exist_ok=True)
        command = [*UNSHARE, sys.executable, "-IS", inside.__file__, str(path), str(told), *self._needed()]
        program = start(NAMESPACES, command, mark=str(path), log=self.log(NAMESPACES), tied=not self.folder.kept)
        self._programs = {NAMESPACES: program}  # first, since its end is the end of the others
        self.folder.record(self._programs)
        wait_until(told.exists, timeout=INSIDE_SECONDS, what="the node's namespaces", program=program)
        self.link.connect(int(told.read_text()), SERVICE)

    def _needed(self) -> list[str]:
        """Return the folders of the programs, which may lie where the node gets a view of its own."""
        return sorted(
            {str(folder) for file in self.binaries.iterdir() for folder in (file.parent, file.resolve().parent)}
        )

    def _import(self, archive: bytes) -> None:
        done = self._ctr("--namespace=k8s.io", "images", "import", "-", stdin=archive)
        if done.returncode:
            raise ClusterError(f"containerd could not read the image: {done.stderr.decode().strip()}")

    def _ctr(self, *arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        command = [*self.enter("mount"), "--", str(self.binaries / "ctr"), f"--address={settings.SOCKET}", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, check=False)
