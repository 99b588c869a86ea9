"""No source can take all connections of a process, whatever library serves it."""

import asyncio
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from taskaction.runtime.connections import ConnectionLimits, LimitedLoop
from taskaction.runtime.listening import ListenAddress


def opened(limits: ConnectionLimits) -> socket.socket:
    [found] = ListenAddress("TASKACTION_OWN_BIND", "127.0.0.1:0").listen(limits)
    found.setblocking(False)
    return found


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"x")
    await reader.read()
    writer.close()


def run(check: Coroutine[Any, Any, None]) -> None:
    """Run in the loop that every process has."""
    with asyncio.Runner(loop_factory=LimitedLoop) as runner:
        runner.run(check)


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def connected(port: int, source: str = "127.0.0.1") -> tuple[asyncio.StreamWriter, bytes]:
    """Connect, and give what the server says: nothing if it closes the connection at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        said = await asyncio.wait_for(reader.read(1), 10)
    except ConnectionResetError:
        said = b""
    return writer, said


@pytest.mark.parametrize(
    ("limits", "sources", "expected"),
    [
        (ConnectionLimits(total=9, per_source=2), ["127.0.0.1"] * 3 + ["127.0.0.2"], [b"x", b"x", b"", b"x"]),
        (ConnectionLimits(total=2, per_source=2), ["127.0.0.1", "127.0.0.2", "127.0.0.3"], [b"x", b"x", b""]),
    ],
    ids=["per source", "in all"],
)
def test_connections_above_a_limit_are_closed_and_make_room_when_others_end(
    limits: ConnectionLimits, sources: list[str], expected: list[bytes]
) -> None:
    async def check() -> None:
        listening = opened(limits)
        port = listening.getsockname()[1]
        async with await asyncio.start_server(greet, sock=listening):
            found = [await connected(port, source) for source in sources]
            assert [said for _, said in found] == expected
            for writer, _ in found:
                await closed(writer)
            async with asyncio.timeout(10):
                while (again := await connected(port, sources[0]))[1] != b"x":
                    await closed(again[0])
            await closed(again[0])

    run(check())


def test_a_connection_of_bounded_age_ends() -> None:
    async def check() -> None:
        listening = opened(ConnectionLimits(total=1, per_source=1, max_age=0.05))
        async with await asyncio.start_server(greet, sock=listening):
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            with suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 10) == b"x"
            await closed(writer)

    run(check())
