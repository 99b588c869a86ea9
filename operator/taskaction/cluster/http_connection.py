"""One connection to a server over which one request at a time is sent (HTTP/1.1); knows nothing of Kubernetes."""

import asyncio
import gzip
import zlib
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import cast

import httptools
from multidict import CIMultiDict

_WITHOUT_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
_DELIMITERS = frozenset({b"content-length", b"transfer-encoding"})


class UnansweredError(ConnectionError):
    """The connection was closed before any byte of a response: the server may not have seen the request."""


@dataclass(frozen=True, slots=True)
class WholeResponse:
    """A whole response.

    Attributes:
        fields: the header fields as they were sent.
    """

    code: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def headers(self) -> CIMultiDict[str]:
        """The header fields by name."""
        return CIMultiDict((name.decode("latin-1"), value.decode("utf-8", "replace")) for name, value in self.fields)

    def decompress(self) -> "WholeResponse":
        """Return the response with its body as it was before gzip, if that was used."""
        if self.texts(b"content-encoding") != ["gzip"]:
            return self
        return replace(self, body=gzip.decompress(self.body))

    def texts(self, name: bytes) -> list[str]:
        """Return the values of all fields ``name``, given in lower case."""
        return [value.decode("utf-8", "replace") for found, value in self.fields if found.lower() == name]


class HttpConnection(asyncio.Protocol):
    """Connection that is opened by ``loop.create_connection``."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._waiter: asyncio.Future[WholeResponse] | None = None
        self._has_received = self._has_headers = self._is_delimited = False
        self._fields: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    @property
    def is_open(self) -> bool:
        """Whether another request can be sent."""
        return self._transport is not None and self._waiter is None and not self._transport.is_closing()

    async def exchange(self, request: bytes) -> WholeResponse:
        """Send a request and return its response; a caller that is cancelled must close the connection.

        Raises:
            UnansweredError: the connection was closed, and nothing had been received.
            ConnectionError: the connection was closed during the response, or the response is malformed.
        """
        if not self.is_open or self._transport is None:
            raise UnansweredError("the connection is closed")
        self._start_response()
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiter

    def close(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own class

    def data_received(self, data: bytes) -> None:
        """Read a part of the response."""
        if self._waiter is None:
            self.close()  # nobody asked for it
            return
        self._has_received = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionError(f"malformed response: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        """End the response: it is whole only if the end of the connection delimits it."""
        if error is None and self._has_headers and not self._is_delimited:
            self._finish()
        elif self._has_received:
            self._fail(ConnectionError(f"connection closed during the response{_cause(error)}"))
        else:
            self._fail(UnansweredError(f"connection closed before the response{_cause(error)}"))

    # -- httptools ----------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Close a connection on which a second response follows: it might be taken for that of the next request."""
        if self._waiter is None:
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header field."""
        self._fields.append((name, value))
        self._is_delimited = self._is_delimited or name.lower() in _DELIMITERS

    def on_headers_complete(self) -> None:
        """Determine how the body ends."""
        self._has_headers = True
        self._is_delimited = self._is_delimited or self._parser.get_status_code() in _WITHOUT_BODY

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """Finish the response, unless an informational one comes before it."""
        if self._parser.get_status_code() < HTTPStatus.OK:
            self._start_headers()
            return
        keep_alive = self._parser.should_keep_alive()
        self._finish()
        if not keep_alive:
            self.close()

    # -- state --------------------------------------------------------------------------------------------------------

    def _start_response(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._has_received = False
        self._start_headers()

    def _start_headers(self) -> None:
        self._fields, self._parts = [], []
        self._has_headers = self._is_delimited = False

    def _finish(self) -> None:
        response = WholeResponse(self._parser.get_status_code(), tuple(self._fields), b"".join(self._parts))
        try:
            response = response.decompress()
        except (OSError, EOFError, zlib.error) as error:
            self._fail(ConnectionError(f"malformed response: {error}"))
            return
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(response)

    def _fail(self, error: ConnectionError) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self.close()


def _cause(error: Exception | None) -> str:
    return f": {error}" if error is not None else ""
