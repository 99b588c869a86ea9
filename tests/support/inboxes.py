"""Inboxes as processes of their own, with the rights that the chart grants, and targets that send webhooks to them."""

import hmac
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from cluster.kubectl import Kubectl
from cluster.ports import HOST, free_port
from cluster.processes import Program, wait_until
from local import account
from local.operator_process import Launch
from support import preloaded
from support.accounts import create_account, delete_cluster_role
from support.operators import PLUGIN, Operators
from support.serving import LoopbackServer

NAME = "taskaction-webhooks"
SECRET = "shared with the target"


@dataclass
class Inboxes:
    """Starts inboxes beside the operators of a module; they listen at one address, one after the other."""

    operators: Operators
    kubectl: Kubectl
    folder: Path
    launch: Launch = preloaded.start
    running: list[Program] = field(default_factory=list)
    started: int = 0

    def __post_init__(self) -> None:
        self.url = f"http://{HOST}:{free_port()}"
        self.probes = f"http://{HOST}:{free_port()}"
        self.key_file = self.folder / "key"
        self.key_file.write_text("k" * 32)
        self.cluster_name = f"{NAME}-{self.operators.namespace}"
        here = {"name": NAME, "namespace": self.operators.namespace}
        role = {"name": self.cluster_name}
        rules = [rule for name in ("webhooks", "webhooks-cluster", "accounts") for rule in account.read(name)]
        binding = account.binding("ClusterRole", role, self.operators.namespace)
        binding["subjects"] = [{"kind": "ServiceAccount", **here}]
        items = [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here},
            account.role("ClusterRole", role, rules),
            binding,
        ]
        self.kubeconfig = create_account(
            self.kubectl, self.operators.namespace, NAME, items, self.folder / "inbox-kubeconfig"
        )

    @property
    def operator_settings(self) -> dict[str, str]:
        """What the operator must be told to hand out addresses."""
        return {"TASKACTION_WEBHOOKS_URL": self.url, "TASKACTION_WEBHOOKS_KEY_FILE": str(self.key_file)}

    def start(self, **settings: str) -> Program:
        """Start one and return when it is ready."""
        self.started += 1
        env = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(PLUGIN), os.environ.get("PYTHONPATH")))),
            "TASKACTION_NAMESPACE": self.operators.namespace,
            "TASKACTION_LOG_LEVEL": "debug",
            "TASKACTION_LOG_FORMAT": "console",
            "TASKACTION_WEBHOOKS_KEY_FILE": str(self.key_file),
            "TASKACTION_WEBHOOKS_BIND": self.url.removeprefix("http://"),
            "TASKACTION_WEBHOOKS_PROBES_BIND": self.probes.removeprefix("http://"),
            "TASKACTION_WEBHOOKS_SHUTDOWN_DELAY": "200ms",
            **{f"TASKACTION_WEBHOOKS_{name.upper()}": value for name, value in settings.items()},
        }
        command = [str(Path(sys.executable).with_name("taskaction")), "webhooks", "serve"]
        log = self.folder / f"inbox-{self.started}.log"
        program = self.launch("inbox", command, mark=" ".join(command), log=log, tied=True, env=env)
        self.running.append(program)
        wait_until(self.is_ready, timeout=60, what="the inbox to be ready", program=program)
        return program

    def is_ready(self) -> bool:
        """Ask the readiness probe."""
        try:
            with urllib.request.urlopen(f"{self.probes}/readyz", timeout=2):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        """End it as a crash does."""
        while self.running:
            self.running.pop().end()

    def stop(self) -> None:
        """End it gently."""
        while self.running:
            self.running.pop().end(grace=20)

    def close(self) -> None:
        """End it gently, and remove what lies outside of the namespace."""
        self.stop()
        delete_cluster_role(self.kubectl, self.cluster_name)

    def logs(self) -> str:
        """Give what all of them said."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("inbox-*.log")))


def post(
    url: str, body: Any, headers: dict[str, str] | None = None, *, content: bytes | None = None
) -> tuple[int, str]:
    """Send a webhook; give the status and result, 0 where nobody answers."""
    data = json.dumps(body).encode() if content is None else content
    request = urllib.request.Request(url, data=data, headers=headers or {}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)["result"]
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused).get("result", "")
    except OSError as error:
        return 0, str(error)


def signed(body: Any, secret: str = SECRET) -> dict[str, str]:
    """Give the header that signs a body, as GitHub does."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.digest(secret.encode(), json.dumps(body).encode(), "sha256").hex()}


class Target(LoopbackServer):
    """A system that starts jobs: `POST /jobs` with `name`, and perhaps `notify`, gives the id `job-NAME`.

    Attributes:
        notify: the address that each job was given.
        states: how `GET /jobs/job-NAME` says that a job stands; it runs where nothing is said.
        before_answer: what happens between a job's start and the answer that tells its id.
        before_state: what happens between the question how a job stands and the answer.
    """

    request_queue_size = 512
    before_answer: Callable[[str], None]
    before_state: Callable[[str], None]

    def __init__(self) -> None:
        super().__init__(TargetHandler)
        self.notify: dict[str, str] = {}
        self.starts: list[str] = []
        self.states: dict[str, str] = {}
        self.before_answer = lambda _: None
        self.before_state = lambda _: None


class TargetHandler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: Target
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = body["name"]
        self.server.starts.append(name)
        self.server.notify[name] = body.get("notify", "")
        self.server.before_answer(name)
        self._answer({"id": f"job-{name}"})

    def do_GET(self) -> None:
        name = self.path.rpartition("/job-")[2]
        self.server.before_state(name)
        self._answer({"state": self.server.states.get(name, "running")})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
        pass

    def _answer(self, content: Any) -> None:
        data = json.dumps(content).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:  # the caller was killed meanwhile
            self.close_connection = True
