"""Starts of work outside of which nothing is on record: by a kill -9, or because the response was lost."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import action, create, get, patch, wait_for, wait_for_phase
from support.api import list_objects
from support.lying_server import LyingServer, do_it_and_never_answer, say_nothing
from support.operators import QUICK_LEASES, Operators
from support.serving import LoopbackServer
from taskaction.core.constants import ATTEMPT_LABEL

ABORT = {"abort": {"reason": "enough"}}


class CountingTarget:
    """Starts one job for each key; the response to the first start is held back until the test has ended."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.cancelled: list[str] = []
        self.over = threading.Event()


@pytest.fixture
def target() -> Iterator[tuple[CountingTarget, str]]:
    found = CountingTarget()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found.keys.append(self.headers["Idempotency-Key"])
            if len(found.keys) == 1:
                found.over.wait(60)
            self._say({"id": f"job-{sorted(set(found.keys)).index(found.keys[-1])}"})

        def do_GET(self) -> None:
            self._say({"state": "running"})

        def do_DELETE(self) -> None:
            found.cancelled.append(self.path)
            self._say({})

        def _say(self, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with LoopbackServer(Handler) as server:
        yield found, server.url
        found.over.set()


def test_a_request_whose_response_nobody_recorded_is_cancelled(
    kubectl: Kubectl, operators: Operators, target: tuple[CountingTarget, str]
) -> None:
    counted, url = target
    follow = f"{url}/jobs/{{{{ externalId }}}}"
    parameters = {
        "method": "POST",
        "url": f"{url}/jobs",
        "json": {},
        "idempotencyHeader": "Idempotency-Key",
        "polling": {
            "url": follow,
            "externalId": "{{ response.body.id }}",
            "success": {"path": "state", "equals": "done"},
        },
        "cancel": {"method": "DELETE", "url": follow},
    }
    operators.start(QUICK_LEASES)
    create(kubectl, [action("import", "http", parameters)])
    wait_until(lambda: bool(counted.keys), timeout=20, what="the request")
    operators.kill()
    assert "externalId" not in get(kubectl, "import")["status"]
    patch(kubectl, "import", ABORT)
    operators.start(QUICK_LEASES)

    status = wait_for_phase(kubectl, "import", "Aborted")["status"]

    assert counted.cancelled == ["/jobs/job-0"]
    assert (len(counted.keys), len(set(counted.keys))) == (2, 1)
    assert [one["externalId"] for one in status["attempts"]] == ["job-0"]
    operators.kill()


def test_a_job_of_the_cluster_that_nobody_recorded_is_deleted(
    kubectl: Kubectl, operators: Operators, tmp_path: Path
) -> None:
    kubectl("create", "role", "batch", "--verb=create,get,list,delete", "--resource=jobs,pods")
    kubectl("create", "rolebinding", "batch", "--role=batch", f"--serviceaccount={kubectl.namespace}:default")
    create(kubectl, [action("import", "job", {"image": "busybox:1.36", "command": ["sleep", "600"]})])
    with LyingServer(operators.kubeconfig) as server:
        server.tell("PUT", "/import/status", answer=say_nothing, times=1000)
        operators.start(QUICK_LEASES, kubeconfig=server.write_kubeconfig(tmp_path / "kubeconfig"))
        wait_until(lambda: bool(list_objects(kubectl, "jobs")), timeout=20, what="the Job")
        operators.kill()
    assert get(kubectl, "import")["status"] == {"phase": "Queued"}
    patch(kubectl, "import", ABORT)
    operators.start(QUICK_LEASES)

    status = wait_for_phase(kubectl, "import", "Aborted")["status"]

    assert list_objects(kubectl, "jobs") == []
    assert status["attempts"][0]["externalId"].startswith("import-")
    operators.kill()


def test_a_job_whose_creation_was_not_answered_never_runs_next_to_another(
    kubectl: Kubectl, operators: Operators, tmp_path: Path
) -> None:
    kubectl("create", "role", "batch", "--verb=create,get,list,delete", "--resource=jobs,pods")
    kubectl("create", "rolebinding", "batch", "--role=batch", f"--serviceaccount={kubectl.namespace}:default")
    retried = {"retryPolicy": {"limit": 1, "retryOn": ["Timeout"], "backoff": {"initial": "1s"}}}
    seen: list[set[str]] = []

    def has_second_job() -> bool:
        seen.append({one["metadata"]["labels"][ATTEMPT_LABEL] for one in list_objects(kubectl, "jobs")})
        return "2" in seen[-1]

    with LyingServer(operators.kubeconfig) as server:
        server.tell("POST", "/jobs", answer=do_it_and_never_answer(operators.kubeconfig))
        kubeconfig = server.write_kubeconfig(tmp_path / "kubeconfig")
        operators.start({**QUICK_LEASES, "TASKACTION_CALL_TIMEOUT": "2s"}, kubeconfig=kubeconfig)
        create(kubectl, [action("import", "job", {"image": "busybox:1.36", "command": ["sleep", "600"]}, **retried)])
        wait_until(has_second_job, timeout=30, what="the second Job")
        first, second = wait_for(kubectl, "import", lambda one: len(one["status"]["attempts"]) == 2)["status"][
            "attempts"
        ]
        operators.kill()

    assert {"1"} in seen
    assert {"1", "2"} not in seen
    assert (first["phase"], first["error"]["code"], first["externalId"][:7]) == (
        "TimedOut",
        "AttemptTimeout",
        "import-",
    )
    assert second["number"] == 2
