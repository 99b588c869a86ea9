"""A target that counts every effect and misbehaves in each way that a server or a proxy can, on loopback."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Self

HOST = "127.0.0.1"
LATE_SECONDS = 1.0
"""How long a slow answer takes; callers must give up earlier."""

Headers = Mapping[str, str]


@dataclass
class Exchange:
    """One request and its connection."""

    target: "MisbehavingTarget"
    name: str
    writer: asyncio.StreamWriter

    def take_effect(self) -> None:
        """Do what was asked for."""
        self.target.effects[self.name] += 1

    def respond(
        self, code: int, body: bytes = b"{}", length: int | None = None, headers: Headers = MappingProxyType({})
    ) -> None:
        """Send a response; ``length`` is the one that it claims to have."""
        lines = [f"HTTP/1.1 {code} {HTTPStatus(code).phrase}", "Content-Type: application/json"]
        lines.append(f"Content-Length: {len(body) if length is None else length}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    def hang_up(self) -> None:
        """Close the connection after what was written."""
        self.writer.close()


def _effect_then(code: int) -> Callable[[Exchange], None]:
    def behave(exchange: Exchange) -> None:
        exchange.take_effect()
        exchange.respond(code)

    return behave


def _redirect(code: int) -> Callable[[Exchange], None]:
    return lambda exchange: exchange.respond(code, headers={"Location": f"/ok/{exchange.name}"})


def _refuse_once(code: int) -> Callable[[Exchange], None]:
    def behave(exchange: Exchange) -> None:
        exchange.target.refused[exchange.name] += 1
        (_effect_then(200) if exchange.target.refused[exchange.name] > 1 else _refusal(code))(exchange)

    return behave


def _refusal(code: int) -> Callable[[Exchange], None]:
    return lambda exchange: exchange.respond(code, headers={"Retry-After": "0"})


def _close_after(exchange: Exchange) -> None:
    exchange.take_effect()
    exchange.hang_up()


def _close_during(exchange: Exchange) -> None:
    exchange.take_effect()
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    exchange.hang_up()


def _claim_more(exchange: Exchange) -> None:
    exchange.take_effect()
    exchange.respond(200, length=100)
    exchange.hang_up()


def _claim_less(exchange: Exchange) -> None:
    exchange.take_effect()
    exchange.respond(200, length=1)


def _see_other(exchange: Exchange) -> None:
    exchange.take_effect()
    exchange.respond(303, headers={"Location": f"/seen/{exchange.name}"})


async def _answer_late(exchange: Exchange) -> None:
    exchange.take_effect()
    await asyncio.sleep(LATE_SECONDS)
    exchange.respond(200)


WAYS: Mapping[str, Callable[[Exchange], Awaitable[None] | None]] = MappingProxyType(
    {
        "ok": _effect_then(200),
        "closes-before": Exchange.hang_up,
        "closes-during": _close_during,
        "closes-after": _close_after,
        "claims-more": _claim_more,
        "claims-less": _claim_less,
        "late": _answer_late,
        "see-other": _see_other,
        **{f"redirect-{code}": _redirect(code) for code in (301, 302, 307, 308)},
        **{f"effect-{code}": _effect_then(code) for code in (408, 500, 502, 504)},
        **{f"refuses-{code}": _refuse_once(code) for code in (425, 429, 503)},
    }
)
"""Behaviour by the first part of the path; the second part is the name of the effect."""


@dataclass
class MisbehavingTarget:
    """An HTTP server in a thread of its own: ``POST /WAY/NAME`` is an effect each time that the way has one.

    Attributes:
        effects: number of effects by name.
        refused: number of refusals before the effect, by name.
    """

    effects: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        """Start the server."""
        self._ready, self._port = threading.Event(), 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="target", daemon=True)
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the target does not start")
        return self

    def __exit__(self, *_: object) -> None:
        """End the server."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """The URL without a path."""
        return f"http://{HOST}:{self._port}"

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._handle, HOST, 0, backlog=512)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await reader.readexactly(_length(head))
                method, path, _ = head.split(" ", 2)
                _, way, name = path.split("/")
                exchange = Exchange(self, name, writer)
                if method == "GET":  # after a 303
                    exchange.respond(200)
                elif (waiting := WAYS[way](exchange)) is not None:
                    await waiting
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):  # the caller has gone
            writer.close()


def _length(head: str) -> int:
    for line in head.lower().split("\r\n"):
        if line.startswith("content-length:"):
            return int(line.partition(":")[2])
    return 0
