"""Turns of namespaces in writes to the API server."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskaction.cluster.concurrency import ConcurrencyLimit
from taskaction.cluster.write_slots import WriteRank, WriteSlots
from taskaction.testing.clock import FakeClock


class Server:
    """Writes that end when the test lets them, in the order in which they were sent."""

    def __init__(self, most: int, **weights: int) -> None:
        self.slots = WriteSlots(FakeClock(), ConcurrencyLimit(most), lambda namespace: weights.get(namespace, 1))
        self.sent: list[str] = []
        self.open: list[asyncio.Future[None]] = []

    def write(self, namespace: str, rank: WriteRank = WriteRank.AWAITED, name: str = "") -> asyncio.Task[None]:
        async def call() -> None:
            self.sent.append(name or namespace)
            answer = asyncio.get_running_loop().create_future()
            self.open.append(answer)
            try:
                await answer
            finally:
                self.open.remove(answer)

        return asyncio.create_task(self.slots.run(namespace, rank, call, name or None))

    async def answer(self, count: int = 1) -> None:
        for _ in range(count):
            await settle()
            self.open[0].set_result(None)
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_namespace_with_one_write_waits_for_one_slot_behind_thousands_of_another() -> None:
    server = Server(4)
    writes = [server.write("busy") for _ in range(1_000)]
    await settle()
    writes.append(server.write("other"))
    await server.answer(2)
    assert "other" in server.sent[4:6]
    await finish(server, writes)


async def test_weights_say_how_many_slots_a_namespace_gets_in_its_turn() -> None:
    server = Server(1, heavy=3)
    writes = [server.write("first")]
    writes += [server.write("heavy") for _ in range(6)] + [server.write("light") for _ in range(2)]
    await server.answer(8)
    assert server.sent == ["first", *["heavy"] * 3, "light", *["heavy"] * 3, "light"]
    await finish(server, writes)


async def test_awaited_writes_of_a_namespace_come_before_news_and_keep_their_order() -> None:
    server = Server(1)
    writes = [server.write("one", name="running")]
    writes += [server.write("one", WriteRank.NEWS, f"news {number}") for number in range(2)]
    writes += [server.write("one", name=f"awaited {number}") for number in range(2)]
    await server.answer(4)
    assert server.sent == ["running", "awaited 0", "awaited 1", "news 0", "news 1"]
    await finish(server, writes)


async def test_news_for_which_somebody_begins_to_wait_pass_other_news() -> None:
    server = Server(1)
    writes = [server.write("one", name="running")]
    writes += [server.write("one", WriteRank.NEWS, f"news {number}") for number in range(3)]
    writes += [server.write("one", name="awaited")]
    await settle()
    for namespace, key in (("one", "news 2"), ("one", "awaited"), ("one", "running"), ("one", "?"), ("?", "news 1")):
        server.slots.expedite(namespace, key)
    await server.answer(4)
    assert server.sent == ["running", "awaited", "news 2", "news 0", "news 1"]
    await finish(server, writes)


async def test_a_key_that_two_writes_have_loses_neither() -> None:
    server = Server(1)
    writes = [server.write("one", name="running")]
    gone = server.write("one", WriteRank.NEWS, "twice")
    await settle()
    gone.cancel()
    await settle()
    writes += [server.write("one", name="twice"), server.write("one", WriteRank.NEWS, "twice")]
    await settle()
    for _ in range(3):
        server.slots.expedite("one", "twice")
    await server.answer(3)
    assert server.sent == ["running", "twice", "twice"]
    await finish(server, writes)


async def test_a_write_that_fails_returns_its_slot() -> None:
    server = Server(1)

    async def fail() -> None:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        await server.slots.run("one", WriteRank.AWAITED, fail)
    write = server.write("one")
    await server.answer()
    assert write.done()


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_cancelled_writes_lose_no_slot(seed: int, most: int) -> None:
    async def play() -> None:
        chance, server = random.Random(seed), Server(most)
        writes: list[asyncio.Task[None]] = []
        for _ in range(60):
            match chance.randrange(3):
                case 0:
                    writes.append(server.write(chance.choice("abc"), chance.choice(list(WriteRank))))
                case 1 if writes:
                    chance.choice(writes).cancel()
                case _ if server.open:
                    server.open[0].set_result(None)
            await asyncio.sleep(0)
            assert len(server.open) <= most
        await finish(server, writes)
        last = server.write("d")
        await server.answer()
        assert last.done()

    asyncio.run(play())


async def finish(server: Server, writes: list[asyncio.Task[None]]) -> None:
    await settle()
    while server.open:
        server.open[0].set_result(None)
        await settle()
    await asyncio.gather(*writes, return_exceptions=True)
