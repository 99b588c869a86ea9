"""History services as processes of their own, with the rights that the chart grants, and requests to send to them."""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.kubectl import Kubectl
from cluster.ports import HOST, free_port
from cluster.processes import Program, wait_until
from local import account
from local.operator_process import Launch
from support import preloaded
from support.accounts import create_account, delete_cluster_role
from support.serving import ask_probe

NAME = "taskaction-history"


@dataclass
class HistoryServices:
    """Starts services whose account is in one namespace; they listen at one address, one after the other."""

    kubectl: Kubectl
    namespace: str
    folder: Path
    launch: Launch = preloaded.start
    running: list[Program] = field(default_factory=list)
    started: int = 0

    def __post_init__(self) -> None:
        self.url = f"http://{HOST}:{free_port()}"
        self.probes = f"http://{HOST}:{free_port()}"
        self.cluster_name = f"{NAME}-{self.namespace}"
        here, metadata = {"name": NAME, "namespace": self.namespace}, {"name": self.cluster_name}
        binding = account.binding("ClusterRole", metadata, self.namespace)
        binding["subjects"] = [{"kind": "ServiceAccount", **here}]
        role = account.role("ClusterRole", metadata, account.read("history-cluster"))
        items = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here}, role, binding]
        self.kubeconfig = create_account(self.kubectl, self.namespace, NAME, items, self.folder / "history-kubeconfig")

    def start(self, database: str, **settings: str) -> Program:
        """Start one on a database, and return when it is ready; settings have the names of fields."""
        self.started += 1
        own = {
            "bind": self.url.removeprefix("http://"),
            "probes_bind": self.probes.removeprefix("http://"),
            "shutdown_delay": "100ms",
            **settings,
        }
        env = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "TASKACTION_LOG_FORMAT": "console",
            "TASKACTION_HISTORY": database,
            **{f"TASKACTION_HISTORY_SERVE_{name.upper()}": value for name, value in own.items()},
        }
        command = [str(Path(sys.executable).with_name("taskaction")), "history", "serve"]
        log = self.folder / f"history-{self.started}.log"
        program = self.launch("history service", command, mark=" ".join(command), log=log, tied=True, env=env)
        self.running.append(program)
        wait_until(
            lambda: ask_probe(f"{self.probes}/readyz", seconds=2)[0] == 200,
            timeout=60,
            what="the history service to be ready",
            program=program,
        )
        return program

    def ask(self, path: str, token: str | None, *, method: str = "GET", **query: Any) -> tuple[int, dict[str, Any]]:
        """Return status and document of a request; a parameter with a list is sent more than once."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.send(f"{path}?{urllib.parse.urlencode(query, doseq=True)}", headers, method)

    def send(self, path: str, headers: Mapping[str, str], method: str = "GET") -> tuple[int, dict[str, Any]]:
        """Return status and document of a request with these headers."""
        request = urllib.request.Request(f"{self.url}{path}", headers=dict(headers), method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.loads(refused.read())

    def close(self) -> None:
        """End it gently, and remove what lies outside of the namespace."""
        while self.running:
            self.running.pop().end(grace=20)
        delete_cluster_role(self.kubectl, self.cluster_name)
