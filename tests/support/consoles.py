"""Consoles as processes of their own, with the rights that the chart grants, and browsers without a screen."""

import http.client
import os
import re
import select
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path

from cluster.kubectl import Kubectl
from cluster.ports import HOST, free_port
from cluster.processes import Program, wait_until
from local import account
from local.operator_process import Launch
from support import preloaded
from support.accounts import create_account, delete_cluster_role
from support.serving import ask_probe

NAME = "taskaction-console"
SECONDS = 30


@dataclass
class Response:
    """What a browser gets."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")


@dataclass
class Browser:
    """Browser that keeps one cookie; it sends what real ones send with navigations and forms."""

    port: int
    cookie: str = ""
    csrf: str = ""

    def get(self, path: str, **headers: str) -> Response:
        return self.send("GET", path, headers)

    def post(self, path: str, form: dict[str, str] | None = None, **headers: str) -> Response:
        """Send a form, with the secret of the last page."""
        content = urllib.parse.urlencode({"csrf": self.csrf, **(form or {})})
        own = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{HOST}:{self.port}", **headers}
        return self.send("POST", path, own, content)

    def send(self, method: str, path: str, headers: dict[str, str], content: str | None = None) -> Response:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=SECONDS)
        try:
            own = {"Accept": "text/html"} | ({"Cookie": self.cookie} if self.cookie else {})
            connection.request(method, path, content, own | {name.replace("_", "-"): headers[name] for name in headers})
            answer = connection.getresponse()
            found = Response(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()
        if (given := found.headers.get("Set-Cookie")) is not None:
            self.cookie = given.partition(";")[0]
        if (secret := re.search(r'name="csrf" value="([^"]+)"', found.text)) is not None:
            self.csrf = unescape(secret[1])
        return found

    def sign_in(self, token: str) -> Response:
        """Sign in with a token, and read a page for the secret of its forms."""
        answer = self.post("/sign-in", {"token": token, "next": "/approvals?namespace=default"})
        if answer.status == 303:
            self.get(answer.location)
        return answer

    @contextmanager
    def stream(self, path: str) -> Iterator["Stream"]:
        """Open a stream of server-sent events."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=SECONDS)
        try:
            connection.request("GET", path, headers={"Accept": "text/event-stream", "Cookie": self.cookie})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            assert answer.readline().startswith(b"retry:")
            assert answer.readline() == b"\n"
            yield Stream(connection, answer)
        finally:
            connection.close()


@dataclass
class Stream:
    """Open stream of server-sent events."""

    connection: http.client.HTTPConnection
    answer: http.client.HTTPResponse

    def next(self) -> str:
        """Return the name of the next event."""
        while True:
            name, _, value = self.answer.readline().decode().strip().partition(": ")
            if name == "event":
                return value

    def has_data(self) -> bool:
        """Whether something has come that was not read."""
        return bool(select.select([self.connection.sock], [], [], 0)[0])


@dataclass
class Consoles:
    """Starts consoles whose account is in one namespace; they listen at one address, one after the other."""

    kubectl: Kubectl
    namespace: str
    folder: Path
    launch: Launch = preloaded.start
    running: list[Program] = field(default_factory=list)
    started: int = 0

    def __post_init__(self) -> None:
        self.port = free_port()
        self.probes = f"http://{HOST}:{free_port()}"
        self.cluster_name = f"{NAME}-{self.namespace}"
        here, metadata = {"name": NAME, "namespace": self.namespace}, {"name": self.cluster_name}
        binding = account.binding("ClusterRole", metadata, self.namespace)
        binding["subjects"] = [{"kind": "ServiceAccount", **here}]
        role = account.role("ClusterRole", metadata, account.read("console"))
        items = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here}, role, binding]
        self.kubeconfig = create_account(self.kubectl, self.namespace, NAME, items, self.folder / "console-kubeconfig")

    def start(self, **settings: str) -> Program:
        """Start one, and return when it is ready; settings have the names of fields."""
        self.started += 1
        own = {
            "bind": f"{HOST}:{self.port}",
            "probes_bind": self.probes.removeprefix("http://"),
            "shutdown_delay": "100ms",
            **settings,
        }
        env = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "TASKACTION_LOG_FORMAT": "console",
            **{f"TASKACTION_CONSOLE_{name.upper()}": value for name, value in own.items()},
        }
        command = [str(Path(sys.executable).with_name("taskaction")), "console", "serve"]
        log = self.folder / f"console-{self.started}.log"
        program = self.launch("console", command, mark=" ".join(command), log=log, tied=True, env=env)
        self.running.append(program)
        wait_until(
            lambda: ask_probe(f"{self.probes}/readyz", seconds=2)[0] == 200,
            timeout=60,
            what="the console to be ready",
            program=program,
        )
        return program

    def browser(self) -> Browser:
        """Return a browser that has not been here before."""
        return Browser(self.port)

    def stop(self) -> None:
        """End the running one gently."""
        while self.running:
            self.running.pop().end(grace=20)

    def close(self) -> None:
        """End it gently, and remove what lies outside of the namespace."""
        self.stop()
        delete_cluster_role(self.kubectl, self.cluster_name)
