"""What clients send that is wrong, odd, too large or too slow: each is told so, and nobody else notices."""

import asyncio
import gzip
import io
import json
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import aiohttp
import grpc
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_connect import ActionsServiceClient
from flyteidl2.actions.actions_service_pb2_grpc import ActionsServiceStub
from google.protobuf.json_format import MessageToJson
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded

from support.actions_in_memory import Served, served
from support.actions_services import task, watch
from taskaction.integrations.flyte.service.health import SERVICE as HEALTH
from taskaction.integrations.flyte.service.health import health_file
from taskaction.integrations.flyte.service.protos import Package
from taskaction.integrations.flyte.service.server import ACTIONS
from taskaction.testing.clock import FakeClock, settle

ENQUEUE, WATCH = f"/{ACTIONS}/Enqueue", f"/{ACTIONS}/WatchForUpdates"
JSON, STREAM = "application/json", "application/connect+json"
GZIP, PROTO = {"Content-Encoding": "gzip"}, {"Content-Type": "application/proto"}
GRPC = {"Content-Type": "application/grpc"}
BAD, EXHAUSTED = "invalid_argument", "resource_exhausted"
SECONDS = 30
WINDOW = 65535
"""What HTTP/2 lets a server send to a client that takes nothing."""
LIMIT = 64 * 1024
GOOD = MessageToJson(task("sent"), indent=None).encode()
NAN = GOOD.replace(b'"type": "noop"', b'"type": "noop", "custom": {"a": NaN}')


@pytest.fixture
async def service() -> AsyncIterator[Served]:
    async with served(max_request_bytes=LIMIT) as found:
        yield found


def framed(message: bytes) -> bytes:
    """Give a message as streams carry it."""
    return b"\0" + len(message).to_bytes(4, "big") + message


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "code"),
    [
        pytest.param("POST", ENQUEUE, {}, GOOD, 200, None, id="plain"),
        pytest.param("POST", ENQUEUE, {"Content-Type": f"{JSON}; charset=utf-8"}, GOOD, 200, None, id="charset"),
        pytest.param("POST", ENQUEUE, GZIP, gzip.compress(GOOD), 200, None, id="gzip"),
        pytest.param(
            "POST", ENQUEUE, GZIP, gzip.compress(GOOD)[:-9], 400, BAD, id="cut gzip"
        ),
        pytest.param("POST", ENQUEUE, GZIP, GOOD, 400, BAD, id="no gzip"),
        pytest.param(
            "POST", ENQUEUE, GZIP, gzip.compress(bytes(LIMIT * 9)), 429, EXHAUSTED, id="bomb"
        ),
        pytest.param("POST", ENQUEUE, {"Content-Encoding": "br"}, GOOD, 501, "unimplemented", id="unknown compression"),
        pytest.param("POST", ENQUEUE, {}, bytes(20_000_000), 429, EXHAUSTED, id="20 MB"),
        pytest.param("POST", ENQUEUE, {}, b"", 400, BAD, id="nothing"),
        pytest.param("POST", ENQUEUE, {}, b"null", 400, BAD, id="null"),
        pytest.param("POST", ENQUEUE, {}, b'{"wild": 1}', 400, BAD, id="unknown field"),
        pytest.param("POST", ENQUEUE, {}, b'{"action": "\xff"}', 400, BAD, id="no UTF-8"),
        pytest.param("POST", ENQUEUE, {}, b'{"a":' * 9999 + b"1" + b"}" * 9999, 400, BAD, id="deep"),
        pytest.param("POST", ENQUEUE, {}, NAN, 400, BAD, id="a number that JSON lacks"),
        pytest.param(
            "POST", ENQUEUE, PROTO, b"\xff\xff", 400, BAD, id="broken proto"
        ),
        pytest.param(
            "POST", ENQUEUE, PROTO, task("sent").SerializeToString() + b"\xfa\x3f\x01a",
            200, None, id="a field of a newer client",
        ),
        pytest.param("POST", ENQUEUE, {"Content-Type": "text/plain"}, GOOD, 415, None, id="other content type"),
        pytest.param("POST", ENQUEUE, {"Content-Type": STREAM}, framed(GOOD), 415, None, id="stream to a unary call"),
        pytest.param("POST", WATCH, {}, GOOD, 415, None, id="no stream to a stream"),
        pytest.param("GET", f"{ENQUEUE}?encoding=json&message=%7B%7D", {}, None, 405, None, id="GET of what changes"),
        pytest.param("POST", f"/{ACTIONS}/Nothing", {}, GOOD, 501, "unimplemented", id="unknown call"),
        pytest.param("POST", "/", {}, GOOD, 404, None, id="unknown path"),
        pytest.param("POST", ENQUEUE, {"Connect-Protocol-Version": "2"}, GOOD, 400, BAD, id="version"),
        pytest.param("POST", ENQUEUE, {"Connect-Timeout-Ms": "soon"}, GOOD, 400, BAD, id="odd timeout"),
        pytest.param(
            "POST", ENQUEUE, GRPC, framed(b""), 505, "unimplemented", id="gRPC over HTTP/1.1"
        ),
    ],
)  # fmt: skip
async def test_a_request_is_answered_by_what_is_wrong_with_it(service, method, path, headers, body, status, code):
    async with (
        aiohttp.ClientSession(headers={"Content-Type": JSON}) as session,
        session.request(method, service.url + path, headers=headers, data=body and io.BytesIO(body)) as answer,
    ):
        assert answer.status == status
        if code is not None:
            assert (await answer.json())["code"] == code


async def test_a_header_that_is_no_text_is_refused_as_such(service):
    reader, writer = await asyncio.open_connection(*service.address.split(":"))
    writer.write(f"POST {ENQUEUE} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nX: ".encode() + b"\xff\r\n\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_body_in_chunks_is_read(service):
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(GOOD), 20):
            yield GOOD[start : start + 20]

    async with (
        aiohttp.ClientSession(headers={"Content-Type": JSON}) as session,
        session.post(service.url + ENQUEUE, data=chunks()) as answer,
    ):
        assert answer.status == 200
    assert service.actions("sent")


REFUSED_EARLY = [
    pytest.param(ENQUEUE, bytes(4 * LIMIT), None, "RESOURCE_EXHAUSTED", id="too large"),
    pytest.param(ENQUEUE, b"\xff\xff\xff", None, "INVALID_ARGUMENT", id="broken"),
    pytest.param(f"/{ACTIONS}/Nothing", bytes(LIMIT), None, "UNIMPLEMENTED", id="unknown call"),
    pytest.param("/no.Service/Nothing", bytes(LIMIT), None, "UNIMPLEMENTED", id="unknown service"),
    pytest.param(ENQUEUE, bytes(LIMIT), grpc.Compression.Deflate, "UNIMPLEMENTED", id="unknown compression"),
]


@pytest.mark.parametrize(("path", "body", "compression", "code"), REFUSED_EARLY)
async def test_a_call_that_is_refused_ends_no_other_call_on_its_connection(service, path, body, compression, code):
    async with grpc.aio.insecure_channel(service.address) as channel:
        stub = ActionsServiceStub(channel)
        await stub.Enqueue(task("kept"))
        stream = stub.WatchForUpdates(watch("kept"), timeout=SECONDS)
        assert (await stream.read()).control_message.sentinel
        call = channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
        for _ in range(10):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(body, compression=compression)
            assert refused.value.code().name == code
        await stub.Enqueue(task("kept", "child", "a0"))
        assert (await stream.read()).action_update.action_id.name == "child"


async def test_a_watch_ends_when_its_client_wants_it_to(service):
    async with grpc.aio.insecure_channel(service.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            async for _ in ActionsServiceStub(channel).WatchForUpdates(watch("timed"), timeout=0.2):
                pass
    assert ended.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    request = framed(MessageToJson(watch("timed"), indent=None).encode())
    async with (
        aiohttp.ClientSession(headers={"Content-Type": STREAM, "Connect-Timeout-Ms": "200"}) as session,
        session.post(service.url + WATCH, data=request) as answer,
    ):
        assert b'"code": "deadline_exceeded"' in await answer.read()
    await service.until_watched(0)


async def test_a_watch_that_has_come_to_its_age_is_told_to_connect_again():
    async with served(watch_age="200ms") as service, ActionsServiceClient(service.url) as client:
        with pytest.raises(ConnectError) as ended:
            async for _ in client.watch_for_updates(watch("old"), timeout_ms=SECONDS * 1000):
                pass
    assert ended.value.code == Code.UNAVAILABLE


async def test_a_client_that_reads_nothing_holds_up_nobody_and_is_cut_off():
    async with served(stalled=1.0) as service, ActionsServiceClient(service.url) as client:
        await client.enqueue(task("wide"))
        for number in range(100):
            await client.enqueue(task("wide", f"c{number}", "a0"))
        request = framed(MessageToJson(watch("wide"), indent=None).encode())
        head = f"POST {WATCH} HTTP/1.1\r\nHost: x\r\nContent-Type: {STREAM}\r\nContent-Length: {len(request)}\r\n\r\n"
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            host, _, port = service.address.rpartition(":")
            await loop.sock_connect(deaf, (host, int(port)))
            await loop.sock_sendall(deaf, head.encode() + request)
            await service.until_watched(1)
            async with asyncio.timeout(SECONDS), aclosing(client.watch_for_updates(watch("wide"))) as stream:
                for number in range(60):  # more than what fits into the buffers of the system
                    for body in service.actions("wide"):
                        if "parentRef" in body["spec"]:
                            service.report(body, phase="Running", outputUri=f"s3://{'x' * 900}{number}")
                    await asyncio.sleep(0)
                seen = {}
                async for response in stream:
                    seen[response.action_update.action_id.name] = response.action_update.output_uri[-2:]
                    if list(seen.values()).count("59") == 100:
                        break
            await service.until_watched(0)


class Follower:
    """A client of HTTP/2 that takes as much as it says and no byte more, and reads its connection all the time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._connection = H2Connection()
        self._owed = 0
        self.body = b""
        self.is_over = False

    def follow(self, run: str) -> None:
        """Begin a watch."""
        self._connection.initiate_connection()
        head = {":method": "POST", ":scheme": "http", ":authority": "x", ":path": WATCH, "content-type": STREAM}
        self._connection.send_headers(1, list(head.items()))
        self._connection.send_data(1, framed(MessageToJson(watch(run), indent=None).encode()), end_stream=True)
        self._writer.write(self._connection.data_to_send())

    async def read(self, *, until: int, takes: bool) -> None:
        """Read until so many bytes have come or the watch is over; the window opens again only where it ``takes``."""
        while len(self.body) < until and not self.is_over:
            if takes and self._owed:
                self._connection.acknowledge_received_data(self._owed, 1)
                self._writer.write(self._connection.data_to_send())
                self._owed = 0
            for event in self._connection.receive_data(await self._reader.read(65536)):
                if isinstance(event, DataReceived):
                    self.body += event.data
                    self._owed += event.flow_controlled_length
                self.is_over |= isinstance(event, StreamEnded)
            self._writer.write(self._connection.data_to_send())

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        await self._writer.wait_closed()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What has come, as JSON."""
        found, rest = [], self.body
        while len(rest) >= 5 + (size := int.from_bytes(rest[1:5], "big")) and rest:
            found.append(json.loads(rest[5 : 5 + size]))
            rest = rest[5 + size :]
        return found


async def test_a_client_that_takes_nothing_for_a_while_is_told_the_newest_of_each_and_that_its_time_is_over():
    clock = FakeClock()
    async with (
        asyncio.timeout(SECONDS),
        served(clock=clock) as service,
        ActionsServiceClient(service.url) as client,
    ):
        await client.enqueue(task("late"))
        for number in range(100):
            await client.enqueue(task("late", f"c{number}", "a0"))
        follower = Follower(*await asyncio.open_connection(*service.address.split(":")))
        follower.follow("late")
        await service.until_watched(1)
        for number in range(10, 20):
            for body in service.actions("late"):
                if "parentRef" in body["spec"]:
                    service.report(body, phase="Running", outputUri=f"s3://{'x' * 9000}{number}")
            await settle()
        await follower.read(until=WINDOW, takes=False)
        await clock.advance(3600)  # its age passes, of which it cannot be told
        assert service.watches == 1
        await follower.read(until=10**9, takes=True)
        await follower.close()
        await service.until_watched(0)
    *told, last = follower.messages
    updates = [one["actionUpdate"] for one in told if "actionUpdate" in one]
    newest = {one["actionId"]["name"]: one.get("outputUri", "")[-2:] for one in updates}
    assert newest == {f"c{number}": "19" for number in range(100)}
    assert len(told) < 500
    assert last["error"]["code"] == "unavailable"


async def test_health_is_told_by_name_and_of_no_service_that_is_not_there(service):
    async with grpc.aio.insecure_channel(service.address) as channel:
        messages = Package(health_file())
        request, response = (messages.message(f"HealthCheck{side}") for side in ("Request", "Response"))
        coded = {"request_serializer": request.SerializeToString, "response_deserializer": response.FromString}
        check = channel.unary_unary(f"/{HEALTH}/Check", **coded)
        follow = channel.unary_stream(f"/{HEALTH}/Watch", **coded)
        for name in ("", ACTIONS, HEALTH):
            assert (await check(request(service=name))).status == response.SERVING
            assert (await follow(request(service=name)).read()).status == response.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as missing:
            await check(request(service="flyteidl2.Nothing"))
        assert missing.value.code() == grpc.StatusCode.NOT_FOUND
        assert (await follow(request(service="flyteidl2.Nothing")).read()).status == response.SERVICE_UNKNOWN
