"""The world outside: an HTTP server on loopback that takes its time and remembers every effect it was asked for."""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from typing import Any

from support.serving import LoopbackServer


class World(LoopbackServer):
    """Counts what happens, and remembers when: `history` has each effect, `polls` each question about a job.

    `POST /once/NAME` is an effect each time. `POST /keyed/NAME` is one effect per Idempotency-Key. `POST /jobs/NAME`
    starts a job per Idempotency-Key, `GET /jobs/NAME` says how it stands, `DELETE /jobs/NAME` cancels it.
    """

    request_queue_size = 512

    def __init__(self, *, seconds: float = 0.0, job_seconds: float = 0.0) -> None:
        super().__init__(Handler)
        self.seconds = seconds
        self.job_seconds = job_seconds
        self.lock = threading.Lock()
        self.effects: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.jobs: dict[str, float] = {}
        self.cancelled: dict[str, float] = {}
        self.history: list[tuple[float, str]] = []
        self.polls: dict[str, list[float]] = {}
        self.tokens: dict[str, list[int]] = {}
        self._keys: set[str] = set()

    def happens(self, way: str, name: str, key: str | None, token: str | None = None) -> None:
        """Take note of a request, and of its effect where it has one."""
        with self.lock:
            self.requests[f"{way}/{name}"] += 1
            if way != "once":
                if key in self._keys:
                    return
                self._keys.add(str(key))
            self.effects[f"{way}/{name}"] += 1
            self.history.append((time.monotonic(), f"{way}/{name}"))
            if token is not None:
                self.tokens.setdefault(f"{way}/{name}", []).append(int(token))
            if way == "jobs":
                self.jobs[name] = time.monotonic() + self.job_seconds

    def job(self, name: str) -> str | None:
        """Say how a job stands."""
        with self.lock:
            self.polls.setdefault(name, []).append(time.monotonic())
            if name in self.cancelled:
                return "cancelled"
            if name not in self.jobs:
                return None
            return "done" if time.monotonic() >= self.jobs[name] else "running"

    def cancel(self, name: str) -> None:
        """Stop a job."""
        with self.lock:
            self.cancelled.setdefault(name, time.monotonic())


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: World
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        _, way, name = self.path.split("/")
        self.server.happens(way, name, self.headers.get("Idempotency-Key"), self.headers.get("Fencing-Token"))
        time.sleep(self.server.seconds)
        self._answer(202 if way == "jobs" else 200, {"id": name})

    def do_GET(self) -> None:
        name = self.path.split("/")[2]
        state = self.server.job(name)
        self._answer(200 if state else 404, {"id": name, "state": state})

    def do_DELETE(self) -> None:
        self.server.cancel(self.path.split("/")[2])
        self._answer(200, {})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
        pass

    def _answer(self, code: int, content: Any) -> None:
        data = json.dumps(content).encode()
        try:
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:  # the caller was killed meanwhile
            self.close_connection = True


def once(url: str, name: str) -> dict[str, Any]:
    """Give the parameters of a request that must not be repeated."""
    return {"method": "POST", "url": f"{url}/once/{name}"}


def keyed(url: str, name: str) -> dict[str, Any]:
    """Give the parameters of a request whose repeats the target makes harmless."""
    return {"method": "POST", "url": f"{url}/keyed/{name}", "idempotencyHeader": "Idempotency-Key"}


def job(url: str, name: str) -> dict[str, Any]:
    """Give the parameters of a request that starts a job, follows it, and cancels it when aborted."""
    return {
        "method": "POST",
        "url": f"{url}/jobs/{name}",
        "idempotencyHeader": "Idempotency-Key",
        "polling": {
            "url": f"{url}/jobs/{{{{ externalId }}}}",
            "externalId": "{{ response.body.id }}",
            "success": {"path": "state", "equals": "done"},
            "failure": {"path": "state", "equals": "cancelled"},
            "interval": "200ms",
            "maxInterval": "1s",
        },
        "cancel": {"method": "DELETE", "url": f"{url}/jobs/{{{{ externalId }}}}"},
    }
