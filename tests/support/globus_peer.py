"""The real peer of the `globus` executor: the toolkit's provider as a process, and the identity server it asks."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cluster.ports import free_port
from support.serving import LoopbackServer

SCOPE = "https://auth.globus.org/scopes/peer/action_all"
TOKEN = "a-token-of-the-user"  # - of a server on loopback
CLIENT_TOKEN = "a-token-of-the-client"
IDENTITY = str(uuid.uuid4())
PROGRAM = Path(__file__).with_name("globus_provider.py")


class Identity(LoopbackServer):
    """Stands for Globus Auth: knows two tokens, and grants one of them to any client."""

    def __init__(self) -> None:
        super().__init__(_IdentityHandler)


class _IdentityHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        if self.path.endswith("/introspect"):
            self._say(_introspected(form.get("token", [""])[0]))
        elif form.get("grant_type") == ["client_credentials"]:
            self._say({"access_token": CLIENT_TOKEN, "expires_in": 172800, "scope": form["scope"][0]})
        else:
            self._say([])  # no dependent tokens, so no groups

    def log_message(self, *_: object) -> None:
        pass

    def _say(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _introspected(token: str) -> dict[str, Any]:
    if token not in {TOKEN, CLIENT_TOKEN}:
        return {"active": False}
    now = int(time.time())
    identity = {"sub": IDENTITY, "username": "one@example.org", "identity_set": [IDENTITY]}
    return {"active": True, "scope": SCOPE, "exp": now + 3600, "iat": now, "nbf": now, "aud": ["peer"], **identity}


class Peer:
    """The provider's process, which may be ended and started again on the same port with the same memory."""

    def __init__(self, python: Path, identity: Identity, folder: Path) -> None:
        self._python, self._identity, self._folder = python, identity, folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/peer"

    def start(self, seconds: float = 60) -> None:
        services = {f"GLOBUS_SDK_SERVICE_URL_{name}": f"{self._identity.url}/" for name in ("AUTH", "GROUPS")}
        with (self._folder / "provider.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._python), str(PROGRAM), str(self._port), str(self._folder / "memory.json"), SCOPE],
                env={**os.environ, **services},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.counts()
            except urllib.error.URLError:
                assert time.monotonic() < deadline, (self._folder / "provider.log").read_text()
                assert self._process.poll() is None, (self._folder / "provider.log").read_text()
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def counts(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/counts", timeout=10) as answer:
            return dict(json.load(answer))

    def started(self, uid: str) -> int:
        """How many actions were started for a TaskAction, over all its attempts."""
        return sum(number for key, number in self.counts()["requests"].items() if key.startswith(uid))

    def was_told(self, verb: str, action_id: str) -> bool:
        return [verb, action_id] in self.counts()["told"]
