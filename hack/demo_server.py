"""The outside world of the http examples: answers on loopback, checks a bearer token, counts what it is asked.

It answers with the request's own JSON body under `echo` and with the number of requests on that path under `count`;
`GET /counts` gives all numbers. A path `/fail/N/...` is refused with 503 the first N times.
"""

import argparse
import json
import os
import threading
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"
PORT = int(os.environ.get("DEMO_SERVER_PORT", "18080"))
TOKEN = "demo-token"  # noqa: S105 - no secret: it is in the example's manifest
BODY_LIMIT = 1 << 20


class DemoServer(ThreadingHTTPServer):
    """Counts requests by path."""

    daemon_threads = True

    def __init__(self, port: int = PORT, token: str = TOKEN) -> None:
        """Listen, without answering yet."""
        super().__init__((HOST, port), Handler)
        self.token = token
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, path: str) -> int:
        """Count one more request and give the number so far."""
        with self._lock:
            self._counts[path] += 1
            return self._counts[path]

    def counts(self) -> dict[str, int]:
        """Return the number of requests by path."""
        with self._lock:
            return dict(self._counts)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: DemoServer
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Answer a request without a body."""
        if self.path == "/counts":
            self._answer(HTTPStatus.OK, self.server.counts())
        else:
            self._answer_counted(None)

    def do_POST(self) -> None:
        """Answer a request with a JSON body."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_LIMIT:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": "too large"})
            return
        text = self.rfile.read(length)
        try:
            body = json.loads(text or b"null")
        except ValueError:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": "the body is not JSON"})
            return
        self._answer_counted(body)

    do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815 - the base class asks for these names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
        """Log no header and no body: the token must not end up in a file."""
        print(format % args, flush=True)

    def _answer_counted(self, body: Any) -> None:
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            self._answer(HTTPStatus.UNAUTHORIZED, {"error": "no token, or a wrong one"})
            return
        path = self.path.partition("?")[0]
        count = self.server.count(path)
        if count <= refusals(path):
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "not yet", "count": count})
            return
        self._answer(HTTPStatus.OK, {"method": self.command, "path": path, "count": count, "echo": body})

    def _answer(self, status: HTTPStatus, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def refusals(path: str) -> int:
    """Return how often a path is refused before it is served."""
    match path.split("/"):
        case ["", "fail", number, *_] if number.isdigit():
            return int(number)
    return 0


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description="The outside world of the http examples.")
    parser.add_argument("--port", type=int, default=PORT)
    with DemoServer(parser.parse_args().port) as server:
        print(f"http://{HOST}:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
