"""A target that tells everybody what it was sent, in every form and place that an answer has."""

import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from support.serving import LoopbackServer
from support.sightings import spellings_of


class Mirror(LoopbackServer):
    """A target that returns the path `/STATUS/FORM` with that status, and quotes the request in that form.

    Attributes:
        heard: the requests, so that a test sees that the target got what it should.
    """

    def __init__(self, secret: str) -> None:
        super().__init__(_Handler)
        self.secret = secret
        self.heard: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        target = urlsplit(self.path)
        _, status, form, *_ = target.path.split("/")
        headers = "\n".join(f"{name}: {value}" for name, value in self.headers.items())
        request = f"{self.command} {self.path}\n{headers}\n{content}\n{self.headers}"  # Python folds and encodes these
        self.server.heard.append(request)
        shown = request if form == "request" else spellings_of(self.server.secret)[unquote(form)]
        answer = {
            "id": shown[:200] if form != "request" else "job-1",
            "state": {"is": "ACTIVE", "by": shown},
            "query": parse_qs(target.query),
            "request": request,
            shown: [shown, {"nested": json.dumps({"again": shown})}],
        }
        body = json.dumps(answer).encode()
        self.send_response(int(status))
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Echo", " ".join(shown.encode("ascii", "replace").decode().split())[:900])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the base class' name

    def log_message(self, *_: object) -> None:
        pass
