"""One HTTP request and its answer: bounded, read whole before it is answered, ended with its client; knows no call."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import orjson
from connectrpc.code import Code
from connectrpc.errors import ConnectError

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_OVERHEAD_BYTES = 1024
_DISCARDED_BYTES = 64 * 1024 * 1024
"""How much of a request that is too large is read, only so that its client gets to see the answer."""
_PATIENCE_SECONDS = 30.0
_GRPC = b"application/grpc"
_GRPC_TIMEOUT = re.compile(rb"[0-9]{1,8}[HMSmun]")


class Exchange:
    """What stands between the server and an application, for one request."""

    def __init__(
        self, receive: Receive, send: Send, limit: int, *, is_two_way: bool, patience: float = _PATIENCE_SECONDS
    ) -> None:
        """``is_two_way`` is said of calls that answer while their requests still come.

        A request must be complete within ``patience`` seconds; of a two-way call, each message must come in that time.
        """
        self._receive = receive
        self._patience = patience
        self._deadline = asyncio.get_running_loop().time() + patience
        self._refusal: ConnectError | None = None
        self._send = send
        self._limit = limit
        self._is_two_way = is_two_way
        self._read = 0
        self._is_complete = False
        self._serving = asyncio.current_task()

    async def receive(self) -> Message:
        """Return what has come; raises ``ConnectError`` where that is too much.

        A stream ends as soon as its client is gone, not only with the next message to it.
        """
        if self._refusal is not None:
            raise self._refusal
        message = await self._receive_in_time()
        if message["type"] == "http.disconnect" and self._is_complete and self._serving is not None:
            self._serving.cancel()
        self._count(message)
        if self._read > self._limit + _OVERHEAD_BYTES:
            raise too_large(self._limit)
        return message

    async def send(self, message: Message) -> None:
        """Answer, once the request is over.

        Over HTTP/2, hypercorn 0.18 takes it for the end of the whole connection, with all calls on it, when a part of a
        request arrives that has been answered already.
        """
        if message["type"] == "http.response.start" and not self._is_two_way:
            await self._discard_rest()
        await self._send(message)

    def refuse_body(self, error: ConnectError) -> None:
        """Have the application answer with ``error`` as soon as it asks for the body, which is not read."""
        self._refusal = error

    async def _receive_in_time(self) -> Message:
        """Return the next message; after a complete request, that is the end of its client, at any time."""
        if self._is_complete:
            return await self._receive()
        if self._is_two_way:
            self._deadline = asyncio.get_running_loop().time() + self._patience
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._receive()
        except TimeoutError as error:
            raise ConnectError(
                Code.DEADLINE_EXCEEDED, f"the request was not complete within {self._patience:g}s"
            ) from error

    async def _discard_rest(self) -> None:
        """Read and drop the rest of the request, within bounds, which are closer for callers that are refused."""
        size, seconds = (
            (self._limit + _OVERHEAD_BYTES, self._patience / 4) if self._refusal else (_DISCARDED_BYTES, self._patience)
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._is_complete and self._read < size:
                    self._count(await self._receive())

    async def refuse(self, status: HTTPStatus, code: Code, text: str) -> None:
        """Answer what no application can."""
        body = orjson.dumps({"code": code.value, "message": text})
        send, headers = SizedSender(self.send), [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status.value, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _count(self, message: Message) -> None:
        self._read += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)


class SizedSender:
    """Sends an answer that is complete with its length: unlike a chunked one, an empty one is a single packet."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        """Hold the headers back until the first part of the body says whether there are others."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None:
            if not message.get("more_body", False) and not start.get("trailers", False):
                length = str(len(message.get("body", b""))).encode()
                start = start | {"headers": [*start["headers"], (b"content-length", length)]}
            await self._send(start)
        await self._send(message)


def without_accept_encoding(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for unary answers as they stand: all but errors are empty, and packing would make them larger.

    Streams, and gRPC, say in headers of their own how they are packed.
    """
    return {**scope, "headers": [header for header in scope["headers"] if header[0] != b"accept-encoding"]}


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a request, which are known to be UTF-8; names are in lower case."""
    return {name.decode(): value.decode() for name, value in scope["headers"]}


def refusal(scope: Mapping[str, Any]) -> tuple[HTTPStatus, Code, str] | None:
    """Return why a request is answered by no application, from its head alone; None where one can."""
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    try:
        for name, value in scope["headers"]:
            (name + value).decode()
    except UnicodeDecodeError:
        return HTTPStatus.BAD_REQUEST, Code.INVALID_ARGUMENT, "a header is no UTF-8"
    content_type = headers.get(b"content-type", b"")
    if not content_type.startswith(_GRPC):
        return None
    if scope["http_version"] != "2" and not content_type.startswith(_GRPC + b"-web"):
        told = "gRPC needs HTTP/2: speak it from the start, or use Connect or gRPC-Web"
        return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, Code.UNIMPLEMENTED, told
    timeout = headers.get(b"grpc-timeout")
    if timeout is not None and not _GRPC_TIMEOUT.fullmatch(timeout):
        return HTTPStatus.BAD_REQUEST, Code.INVALID_ARGUMENT, "grpc-timeout should be a number and a unit, such as 5S"
    return None


def too_large(limit: int) -> ConnectError:
    """Return the error of a request that is not read."""
    return ConnectError(Code.RESOURCE_EXHAUSTED, f"the message exceeds the limit of {limit} bytes")
