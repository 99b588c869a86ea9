"""S11: callers without a token cannot keep the Actions service from answering, by bodies or connections."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_connect import ActionsServiceClient

from cluster.clusters import Cluster
from support.actions_services import ActionsServices, task
from support.cluster import new_namespace

ENQUEUE = "/flyteidl2.actions.ActionsService/Enqueue"
BODY_BYTES = 1_900_000
PER_SOURCE = 20

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@pytest.fixture(scope="module")
def services(crds: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActionsServices]:
    with new_namespace(crds, "bodies") as namespace:
        kubectl = crds.kubectl.within(namespace)
        found = ActionsServices(kubectl, namespace, tmp_path_factory.mktemp("bodies"))
        kubectl("create", "serviceaccount", "writer")
        kubectl("create", "role", "writer", "--verb=get,list,watch,create", "--resource=taskactions.taskaction.dev")
        kubectl("create", "rolebinding", "writer", "--role=writer", f"--serviceaccount={namespace}:writer")
        found.start(authentication="token", max_connections_per_source=str(PER_SOURCE), request_timeout="2s")
        yield found
        found.close()


@pytest.fixture
async def connect(services: ActionsServices) -> AsyncIterator[Connect]:
    """Opens connections from an address of the attacker's own, which end with the test."""
    writers: list[asyncio.StreamWriter] = []

    async def opened() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = services.address.rpartition(":")
        found = await asyncio.open_connection(host, int(port), local_addr=("127.0.0.9", 0))
        writers.append(found[1])
        return found

    yield opened
    for writer in writers:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def head(length: int, kind: str = "application/json") -> bytes:
    return f"POST {ENQUEUE} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()


async def answer(reader: asyncio.StreamReader, seconds: float = 30) -> bytes:
    """Give what comes until the connection is closed."""
    try:
        return await asyncio.wait_for(reader.read(), seconds)
    except ConnectionResetError:
        return b""


async def enqueue(services: ActionsServices, run: str) -> float:
    """Have an honest caller create an action, and give how long that took."""
    headers = {"authorization": f"Bearer {services.token('writer')}"}
    began = time.monotonic()
    async with ActionsServiceClient(services.url) as client:
        await client.enqueue(task(run), headers=headers)
    return time.monotonic() - began


async def test_s11_large_bodies_without_a_token_are_not_parsed(services: ActionsServices, connect: Connect) -> None:
    bodies = [b"[" * BODY_BYTES, b'{"action": {"a": [' + b"{}," * (BODY_BYTES // 3), b'{"a":' * (BODY_BYTES // 5)]
    await enqueue(services, "before")
    connections = [await connect() for _ in range(12)]

    async def send(place: int) -> bytes:
        reader, writer = connections[place]
        body = bodies[place % len(bodies)]
        writer.write(head(len(body)) + body)
        return await asyncio.wait_for(reader.readline(), 30)

    sending = [asyncio.create_task(send(place)) for place in range(12)]
    took = await enqueue(services, "meanwhile")
    lines = await asyncio.gather(*sending)
    assert all(b"401" in line for line in lines), lines
    assert took < 5


async def test_s11_half_sent_requests_end(services: ActionsServices, connect: Connect) -> None:
    halves = [head(1000), head(1000) + b"{", head(BODY_BYTES) + b"x" * 1000, head(1000, "application/grpc-web") + b"\0"]
    found = [await connect() for _ in halves]
    for (_, writer), half in zip(found, halves, strict=True):
        writer.write(half)
    answers = await asyncio.gather(*(answer(reader) for reader, _ in found))
    assert all(said.startswith(b"HTTP/1.1 ") for said in answers), answers
    assert await enqueue(services, "after-halves") < 5


async def test_s11_a_known_callers_half_sent_request_ends_too(services: ActionsServices, connect: Connect) -> None:
    reader, writer = await connect()
    token = f"Authorization: Bearer {services.token('writer')}\r\n".encode()
    writer.write(head(1000).replace(b"Host: x\r\n", b"Host: x\r\n" + token) + b"{")
    said = await answer(reader)
    assert b"deadline_exceeded" in said


async def test_s11_connections_of_one_source_are_bounded(services: ActionsServices, connect: Connect) -> None:
    found = [await connect() for _ in range(PER_SOURCE + 30)]
    for _, writer in found:
        writer.write(b"POST ")  # the head never comes
    closed = await asyncio.gather(*(answer(reader, 3) for reader, _ in found), return_exceptions=True)
    ended = sum(one == b"" for one in closed)
    assert ended >= 30, "all above the limit"
    assert await enqueue(services, "after-many") < 5


async def test_s11_the_code_is_that_of_authentication(services: ActionsServices) -> None:
    async with ActionsServiceClient(services.url) as client:
        with pytest.raises(ConnectError, match="Authorization: Bearer") as refused:
            await client.enqueue(task("nobody"))
    assert refused.value.code == Code.UNAUTHENTICATED
