"""Targets and proxies of bare sockets on loopback: keep every byte that came, and answer as a test says."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO

_PIECE = 65_536


@dataclass(frozen=True)
class RawRequest:
    """A request as the target took it: by its head, and by Transfer-Encoding before Content-Length."""

    head: str
    body: bytes
    connection: int

    @property
    def line(self) -> str:
        return self.head.partition("\r\n")[0].rpartition(" ")[0]

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None


Answer = Callable[[RawRequest], bytes]


def response(code: int = 200, body: bytes = b"{}", **headers: str) -> bytes:
    """Give the bytes of a response; `_` in names stands for `-`."""
    lines = [f"HTTP/1.1 {code} Said", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass
class RawTarget:
    """Serves connections one after the other in threads; an answer without bytes closes the connection."""

    answer: Answer
    port: int
    scheme: str = "http"
    received: list[RawRequest] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def asked(self, line: str) -> list[RawRequest]:
        """Give the requests for `METHOD /path`."""
        return [one for one in self.received if one.line == line]

    def serve(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as reading:
            while head := _head(reading):
                body = _body(reading, head)
                request = RawRequest(head, body, number)
                self.received.append(request)
                said = self.answer(request)
                if not said:
                    return
                connection.sendall(said)
                if b"\r\nconnection: close" in said.lower() or request.header("Connection") == "close":
                    return


@contextmanager
def raw_target(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[RawTarget]:
    """Serve on loopback for a while."""
    with _listening() as listening:
        target = RawTarget(answer, listening.getsockname()[1], "http" if tls is None else "https")

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    target.connections += 1
                    threading.Thread(target=handle, args=(connection, target.connections), daemon=True).start()

        def handle(connection: socket.socket, number: int) -> None:
            with suppress(OSError):
                target.serve(connection if tls is None else tls.wrap_socket(connection, server_side=True), number)

        threading.Thread(target=accept, daemon=True).start()
        yield target


@contextmanager
def forward_proxy() -> Iterator[tuple[str, list[str]]]:
    """Serve as a proxy on loopback; give its URL and the first lines of the requests to it."""
    with _listening() as listening:
        lines: list[str] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    threading.Thread(target=_forward, args=(connection, lines), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", lines


@contextmanager
def _listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        yield listening
        listening.shutdown(socket.SHUT_RDWR)  # wakes up whoever accepts


def _forward(connection: socket.socket, lines: list[str]) -> None:
    with suppress(OSError), connection, connection.makefile("rb", buffering=0) as reading:
        head = _head(reading)
        method, where, _ = head.partition("\r\n")[0].split(" ")
        lines.append(f"{method} {where}")
        host, _, port = (where if method == "CONNECT" else where.split("/")[2]).rpartition(":")
        with socket.create_connection((host, int(port))) as target:
            if method == "CONNECT":
                connection.sendall(b"HTTP/1.1 200 Established\r\n\r\n")
            else:
                target.sendall(head.replace(f"http://{host}:{port}", "", 1).encode("latin-1"))
            threading.Thread(target=_copy, args=(target, connection), daemon=True).start()
            _copy(connection, target)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _head(reading: IO[bytes]) -> str:
    lines = bytearray()
    while not lines.endswith(b"\r\n\r\n"):
        line = reading.readline()
        if not line:
            return ""
        lines += line
    return lines.decode("latin-1")


def _body(reading: IO[bytes], head: str) -> bytes:
    request = RawRequest(head, b"", 0)
    if "chunked" in (request.header("Transfer-Encoding") or ""):
        body = b""
        while size := int(reading.readline().split(b";")[0], 16):
            body += reading.read(size)
            reading.readline()
        reading.readline()
        return body
    return bytes(reading.read(int(request.header("Content-Length") or 0)))
