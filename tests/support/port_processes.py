"""Agents as processes of their own, with the rights that the chart grants and no others."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cluster.kubectl import Kubectl
from cluster.ports import HOST, free_port
from cluster.processes import Program, wait_until
from local import account
from local.operator_process import Launch
from support import preloaded
from support.accounts import create_account
from support.port_server import CLIENT_ID, CLIENT_SECRET, INSTALLATION, PortServer
from support.serving import ask_probe

NAME = "taskaction-port-agent"
QUICK = {
    "POLL_CHECK_INTERVAL_SECONDS": "0.2",
    "VISIBILITY_TIMEOUT_MS": "2000",
    "REPORT_INTERVAL_SECONDS": "0.2",
    "LEASE_DURATION": "1s",
    "REQUEST_TIMEOUT": "10s",
}
"""So that nothing has to be waited for that a crash leaves behind."""


@dataclass
class PortAgents:
    """Starts agents whose actions are in one namespace."""

    kubectl: Kubectl
    folder: Path
    server: PortServer
    launch: Launch = preloaded.start
    running: list["AgentProcess"] = field(default_factory=list)
    started: int = 0

    def __post_init__(self) -> None:
        namespace = self.kubectl.namespace
        here = {"name": NAME, "namespace": namespace}
        binding = account.binding("Role", here, str(namespace))
        binding["subjects"] = [{"kind": "ServiceAccount", **here}]
        items = [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here},
            account.role("Role", here, account.read("port-agent")),
            binding,
        ]
        self.kubeconfig = create_account(self.kubectl, str(namespace), NAME, items, self.folder / "agent-kubeconfig")

    def start(self, settings: Mapping[str, str] | None = None) -> "AgentProcess":
        """Start one; it may not be ready yet."""
        self.started += 1
        bind = f"{HOST}:{free_port()}"
        said = {
            "BASE_URL": self.server.url,
            "CLIENT_ID": CLIENT_ID,
            "CLIENT_SECRET": CLIENT_SECRET,
            "INSTALLATION_ID": INSTALLATION,
            "NAMESPACE": str(self.kubectl.namespace),
            "BIND": bind,
            "LOG_FORMAT": "console",
            "LOG_LEVEL": "debug",
            **QUICK,
            **(settings or {}),
        }
        env = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "NO_PROXY": "127.0.0.1",
            **{f"TASKACTION_PORT_AGENT_{name}": value for name, value in said.items()},
        }
        command = [str(Path(sys.executable).with_name("taskaction")), "port-agent", "run"]
        log = self.folder / f"agent-{self.started}.log"
        program = self.launch("agent", command, mark=" ".join(command), log=log, tied=True, env=env)
        found = AgentProcess(program, f"http://{bind}")
        self.running.append(found)
        return found

    def kill(self) -> None:
        """End every agent as a crash does."""
        while self.running:
            self.running.pop().program.end()

    def stop(self) -> None:
        """End every agent gently."""
        while self.running:
            self.running.pop().program.end(grace=40)

    def logs(self) -> str:
        """Give what all of them said."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("agent-*.log")))


@dataclass
class AgentProcess:
    """One running agent."""

    program: Program
    url: str

    def ask(self, path: str) -> tuple[int, str]:
        """Give the code and the text of a probe; 0 where nothing answers."""
        return ask_probe(f"{self.url}{path}", seconds=2)

    def wait_until_ready(self) -> None:
        """Return when it works or stands by."""
        wait_until(lambda: self.ask("/readyz")[0] == 200, timeout=60, what="the agent", program=self.program)
