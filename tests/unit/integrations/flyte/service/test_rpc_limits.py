"""Calls beyond what is served at a time are refused, and each refusal is in the log like any other call."""

import asyncio
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_connect import ActionsServiceClient
from structlog.testing import capture_logs

from support.actions_in_memory import served
from support.actions_services import task, watch
from taskaction.cluster.memory.cluster import MemoryCluster

SECONDS = 30


class Held:
    """Creations that wait until they are let go."""

    def __init__(self) -> None:
        self.going = asyncio.Event()
        self.cut_off = asyncio.Event()
        self.come: asyncio.Queue[None] = asyncio.Queue()

    async def until(self, number: int) -> None:
        """Return when so many more wait."""
        for _ in range(number):
            await self.come.get()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    found, create = Held(), MemoryCluster.create

    async def slowly(self: MemoryCluster, *args: Any, **kwargs: Any) -> Any:
        found.come.put_nowait(None)
        try:
            await found.going.wait()
        except asyncio.CancelledError:
            found.cut_off.set()
            raise
        return await create(self, *args, **kwargs)

    monkeypatch.setattr(MemoryCluster, "create", slowly)
    return found


async def test_more_calls_than_are_served_at_a_time_are_refused_and_logged(held):
    with capture_logs() as entries:
        async with (
            asyncio.timeout(SECONDS),
            served(max_concurrent_requests=2) as service,
            ActionsServiceClient(service.url) as client,
        ):
            first = [asyncio.create_task(client.enqueue(task(f"first{number}"))) for number in range(2)]
            await held.until(2)
            with pytest.raises(ConnectError, match="too many concurrent calls") as refused:
                await client.enqueue(task("third"))
            held.going.set()
            await asyncio.gather(*first)
            await client.enqueue(task("third"))
    assert refused.value.code == Code.RESOURCE_EXHAUSTED
    lines = [str(entry) for entry in entries if "shop/test/third/a0" in str(entry)]
    assert ["resource_exhausted" in line for line in lines] == [True, False]


async def test_a_call_that_takes_longer_than_its_client_allows_is_ended(held):
    async with asyncio.timeout(SECONDS), served() as service, ActionsServiceClient(service.url) as client:
        with pytest.raises(ConnectError) as ended:
            await client.enqueue(task("slow"), timeout_ms=200)
        assert ended.value.code == Code.DEADLINE_EXCEEDED
        await held.cut_off.wait()  # the server's clock began later than the client's
        held.going.set()
        await client.enqueue(task("slow"))


async def test_more_watches_than_are_served_at_a_time_are_refused():
    async with (
        asyncio.timeout(SECONDS),
        served(max_concurrent_watches=1) as service,
        ActionsServiceClient(service.url) as client,
    ):
        stream = client.watch_for_updates(watch("one"))
        assert (await anext(stream)).control_message.sentinel
        with pytest.raises(ConnectError, match="too many concurrent watches") as refused:
            await anext(client.watch_for_updates(watch("two")))
        assert refused.value.code == Code.RESOURCE_EXHAUSTED
        await stream.aclose()
        await service.until_watched(0)
        again = client.watch_for_updates(watch("two"))
        assert (await anext(again)).control_message.sentinel
        await again.aclose()
