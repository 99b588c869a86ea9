"""An Action Provider whose results are as large as a test asks for; it counts what it is asked to do."""

import json
from collections import Counter
from http.server import BaseHTTPRequestHandler
from typing import Any

from support.serving import LoopbackServer


class ActionProvider(LoopbackServer):
    """Provider that ends every action at its first poll; serves while it is entered.

    ``body.size`` is the size of the details in bytes. ``body.fails`` makes the action fail, and ``body.refuse`` makes
    the provider refuse it. An action that was released is not known any more. While the provider ``holds`` its actions,
    none ends.
    """

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.actions: dict[str, dict[str, Any]] = {}
        self.by_request: dict[str, str] = {}
        self.holds = False
        self.asked: Counter[str] = Counter()

    def run(self, request: dict[str, Any]) -> tuple[int, Any]:
        """Start an action, or find the one of an earlier request with the same id."""
        if request["body"].get("refuse"):
            return 400, {"error": {"code": "BadInput", "description": "refused on purpose"}}
        known = self.by_request.get(request["request_id"])
        if known is None:
            known = self.by_request[request["request_id"]] = f"provider-{len(self.by_request)}"
            self.actions[known] = request["body"]
        return 202, {"action_id": known, "status": "ACTIVE", "details": {}, "creator_id": "urn:x"}

    def status(self, name: str) -> tuple[int, Any]:
        """Return the end of an action."""
        body = self.actions.get(name)
        if body is None:
            return 404, {"error": {"code": "NotFound"}}
        if self.holds:
            return 200, {"action_id": name, "status": "ACTIVE", "details": {}, "creator_id": "urn:x"}
        standing = "FAILED" if body.get("fails") else "SUCCEEDED"
        details = {"text": "x" * body.get("size", 0), "code": "Broken"}
        return 200, {"action_id": name, "status": standing, "details": details, "creator_id": "urn:x"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ActionProvider

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        *_, name, verb = self.path.split("/") if self.path.count("/") > 1 else ("", "", "")
        self._answer(*(self.server.status(name) if verb == "status" else (200, {"title": "large"})))

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        verb = self.path.rpartition("/")[2]
        self.server.asked[verb] += 1
        if verb == "run":
            self._answer(*self.server.run(json.loads(content)))
            return
        name = self.path.split("/")[-2]
        found = self.server.status(name)
        if verb == "release":
            self.server.actions.pop(name, None)
        self._answer(*found)

    def _answer(self, code: int, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
