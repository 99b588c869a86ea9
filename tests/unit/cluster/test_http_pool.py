"""The client for whole responses: whatever a server sends, or does to the connection, nobody gets a wrong response."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.cluster.http_connection import HttpConnection, UnansweredError, WholeResponse
from taskaction.cluster.http_pool import HttpPool

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]

WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-One: 1\r\n\r\nbody"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"
WITHOUT_BODY = b"HTTP/1.1 204 No Content\r\n\r\n"
AFTER_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + WITH_LENGTH
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\nX-One: 1\r\n\r\nbody"
DELIMITED = {"length": WITH_LENGTH, "chunks": CHUNKED, "no body": WITHOUT_BODY, "hints": AFTER_HINTS}


class Server:
    """A server that answers each request with ``answer``; counts connections."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.connections = 0
        self.requests: asyncio.Queue[bytes] = asyncio.Queue()
        self.url = ""
        self._served: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._served.add(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length")), 0)
                request = head + await reader.readexactly(length)
                self.requests.put_nowait(request)
                await self._answer(request, writer)
        finally:
            writer.close()

    async def end(self) -> None:
        for task in self._served:
            task.cancel()
        await asyncio.gather(*self._served, return_exceptions=True)
        await asyncio.sleep(0)  # the transports end in the next turn of the event loop


@asynccontextmanager
async def serving(answer: Answer, **options: float) -> AsyncIterator[tuple[Server, HttpPool]]:
    """Serve on loopback, with a pool for it."""
    server = Server(answer)
    listener = await asyncio.start_server(server.accept, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, aclosing(HttpPool(f"{server.url}/base", tls=None, **options)) as pool:
        try:
            yield server, pool
        finally:
            await server.end()


def say(response: bytes) -> Answer:
    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response)

    return answer


async def put(pool: HttpPool, target: str = "/one", *, method: str = "PUT", timeout: float = 10) -> WholeResponse:
    return await pool.request(method, target, headers={"Accept": "text/plain"}, body=b"sent", timeout=timeout)


class Wire:
    """Stands for the transport of a connection."""

    def __init__(self) -> None:
        self.closed = False

    def write(self, data: bytes) -> None:
        """Accept everything."""

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


async def receive(pieces: list[bytes], end: Callable[[HttpConnection], None]) -> WholeResponse:
    """Return the response that arrives in pieces, followed by ``end``."""
    connection = HttpConnection()
    connection.connection_made(Wire())  # type: ignore[arg-type]  # what a connection uses of a transport
    exchange = asyncio.ensure_future(connection.exchange(b"GET"))
    await asyncio.sleep(0)
    for piece in pieces:
        connection.data_received(piece)
    end(connection)
    return await exchange


@pytest.mark.parametrize("response", DELIMITED.values(), ids=DELIMITED)
@given(cuts=st.sets(st.integers(1, 120)))
def test_a_response_is_the_same_in_whatever_pieces_it_arrives(response: bytes, cuts: set[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(response)), len(response)]
    pieces = [response[start:end] for start, end in pairwise(places)]
    whole = asyncio.run(receive([response], lambda _: None))
    assert asyncio.run(receive(pieces, lambda _: None)) == whole
    assert (whole.code, whole.body) in {(200, b"body"), (204, b"")}


@pytest.mark.parametrize("response", DELIMITED.values(), ids=DELIMITED)
async def test_a_response_that_is_cut_at_any_byte_is_an_error(response: bytes) -> None:
    for length in range(len(response)):
        with pytest.raises(ConnectionError) as raised:
            await receive([response[:length]] if length else [], lambda connection: connection.connection_lost(None))
        assert isinstance(raised.value, UnansweredError) is (length == 0)


async def test_a_body_without_a_length_ends_with_the_connection_and_not_with_its_failure() -> None:
    response = await receive([UNTIL_CLOSE], lambda connection: connection.connection_lost(None))
    assert (response.body, response.headers["x-one"]) == (b"body", "1")
    with pytest.raises(ConnectionError, match="during the response: reset"):
        await receive([UNTIL_CLOSE], lambda connection: connection.connection_lost(OSError("reset")))


async def test_a_compressed_body_is_returned_as_it_was_before() -> None:
    packed = gzip.compress(b"body" * 1000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    assert (await receive([head, packed], lambda _: None)).body == b"body" * 1000
    with pytest.raises(ConnectionError, match="malformed response"):
        await receive([head, bytes(len(packed))], lambda _: None)


@pytest.mark.parametrize(
    "nonsense", [b"\x00\x01\x02", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
)
async def test_what_is_no_http_is_an_error(nonsense: bytes) -> None:
    with pytest.raises(ConnectionError, match="malformed response"):
        await receive([nonsense], lambda _: None)


async def test_requests_are_sent_as_they_were_given_over_one_connection() -> None:
    async with serving(say(WITH_LENGTH)) as (server, pool):
        assert [(await put(pool)).code for _ in range(3)] == [200, 200, 200]
    assert server.connections == 1
    first = server.requests.get_nowait()
    assert first.startswith(b"PUT /base/one HTTP/1.1\r\nHost: 127.0.0.1:")
    assert first.endswith(b"\r\nAccept-Encoding: gzip\r\nAccept: text/plain\r\nContent-Length: 4\r\n\r\nsent")


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "a\rb"])
async def test_a_header_with_a_line_break_is_refused(value: str) -> None:
    async with serving(say(WITH_LENGTH)) as (server, pool):
        with pytest.raises(ValueError, match="line break"):
            await pool.request("GET", "/", headers={"Impersonate-User": value}, timeout=10)
        with pytest.raises(ValueError, match="line break"):
            await pool.request("GET", f"/{value}", headers={}, timeout=10)
    assert server.requests.empty()


async def test_a_connection_that_the_server_closes_after_a_response_is_not_used_again() -> None:
    async with serving(say(WITH_LENGTH.replace(b"X-One: 1", b"Connection: close"))) as (server, pool):
        await put(pool)
        await put(pool)
    assert server.connections == 2


@pytest.mark.parametrize("extra", [WITH_LENGTH, b"HTTP/1.1 200", b"?"], ids=["a response", "a part", "nonsense"])
async def test_a_second_response_is_never_taken_for_that_of_the_next_request(extra: bytes) -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(WITH_LENGTH + extra if b"/first" in request else CHUNKED)

    async with serving(answer) as (server, pool):
        try:
            await put(pool, "/first")
        except ConnectionError:
            assert extra == b"?"  # what follows in the same segment belongs to what is malformed
        assert (await put(pool, "/second")).headers["transfer-encoding"] == "chunked"
    assert server.connections == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_what_may_be_sent_twice_is_sent_again_if_an_idle_connection_was_closed(method: str) -> None:
    async with serving(closing_unanswered()) as (server, pool):
        await put(pool)
        assert (await put(pool, "/again", method=method)).code == 200
    assert server.connections == 2


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_may_not_be_sent_twice_is_an_error_if_an_idle_connection_was_closed(method: str) -> None:
    async with serving(closing_unanswered()) as (server, pool):
        await put(pool)
        with pytest.raises(UnansweredError):
            await put(pool, "/again", method=method)
    assert server.connections == 1


async def test_a_server_that_never_answers_is_not_asked_again() -> None:
    async def close(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with serving(close) as (server, pool):
        with pytest.raises(UnansweredError):
            await put(pool)
    assert server.requests.qsize() == 1


async def test_a_response_after_its_time_goes_to_nobody() -> None:
    may_answer = asyncio.Event()

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/slow" in request:
            await may_answer.wait()
            writer.write(CHUNKED)
        else:
            writer.write(WITH_LENGTH)

    async with serving(answer) as (server, pool):
        with pytest.raises(TimeoutError):
            await put(pool, "/slow", timeout=0.05)
        given_up = asyncio.ensure_future(put(pool, "/slow"))
        assert [b"/slow" in await server.requests.get() for _ in range(2)] == [True, True]
        given_up.cancel()
        may_answer.set()
        assert (await put(pool)).headers["x-one"] == "1"
    assert server.connections == 3


async def test_requests_beyond_the_limit_wait_for_a_connection() -> None:
    async with serving(say(WITH_LENGTH), limit=3) as (server, pool):
        await asyncio.gather(*(put(pool) for _ in range(20)))
    assert server.connections == 3
    assert server.requests.qsize() == 20


async def test_connections_of_a_burst_are_closed_although_requests_go_on() -> None:
    together = asyncio.Barrier(8)

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/burst" in request:
            await together.wait()
        writer.write(WITH_LENGTH)

    async with serving(answer, idle_seconds=0.2) as (server, pool):
        await asyncio.gather(*(put(pool, "/burst") for _ in range(8)))
        async with asyncio.timeout(10):
            while len(pool._idle) > 1:
                await put(pool)
        assert server.connections == 8


async def test_a_server_that_is_not_there_is_an_error_of_the_connection() -> None:
    async with serving(say(WITH_LENGTH)) as (server, _):
        url = server.url
    async with aclosing(HttpPool(url, tls=None)) as pool:
        with pytest.raises(OSError, match="Connect call failed"):
            await put(pool)


def closing_unanswered() -> Answer:
    """Answer the first request of the server, and close the connection at the second."""
    answered = 0

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        answered += 1
        if answered == 2:
            writer.close()
        else:
            writer.write(WITH_LENGTH)

    return answer
