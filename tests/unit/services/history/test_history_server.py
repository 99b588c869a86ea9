"""What the server answers when it is busy, and when something behind it is away; no answer has details of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from cluster.ports import HOST, free_port
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.reviews import Caller
from taskaction.core.clock import SystemClock
from taskaction.history.errors import HistoryRefusedError, HistoryUnavailableError
from taskaction.runtime.connections import ConnectionLimits
from taskaction.runtime.listening import ListenAddress
from taskaction.services.history.endpoints import HistoryRequest
from taskaction.services.history.recorder import HistoryServeRecorder
from taskaction.services.history.server import HistoryServer, HistoryServerSettings

SECRET = "value-of-a-row"


class Access:
    """Access of callers whose names are their tokens."""

    error: Exception | None = None

    async def authenticate(self, headers: Any) -> Caller:
        if self.error is not None:
            raise self.error
        return Caller(headers["Authorization"].removeprefix("Bearer "))


class Endpoints:
    """Endpoints that answer when a test says so, or fail."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.entered = asyncio.Semaphore(0)
        self.free = asyncio.Event()

    async def _answer(self, request: HistoryRequest) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        self.entered.release()
        await self.free.wait()
        return {"items": [request.caller.name]}

    list = show = tree = statistics = providers = delete = _answer


@asynccontextmanager
async def serving(endpoints: Endpoints, access: Access, *, requests: int = 9) -> AsyncIterator[aiohttp.ClientSession]:
    bind = ListenAddress("BIND", f"{HOST}:{free_port()}")
    limits = ConnectionLimits(total=50, per_source=50)
    settings = HistoryServerSettings(bind=bind, requests=requests, per_caller=2, connections=limits)
    server = HistoryServer(settings, access, endpoints, HistoryServeRecorder(), SystemClock())  # type: ignore[arg-type]
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://{bind.value}") as session:
            yield session
    finally:
        await server.stop()


async def ask(session: aiohttp.ClientSession, who: str) -> tuple[int, dict[str, Any], str | None]:
    async with session.get("/v1/objects", headers={"Authorization": f"Bearer {who}"}) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, await answer.json(), answer.headers.get("Retry-After")


async def test_one_caller_has_few_requests_at_a_time_and_others_are_served() -> None:
    endpoints = Endpoints()
    async with serving(endpoints, Access()) as session, asyncio.TaskGroup() as group:
        slow = [group.create_task(ask(session, "ada")) for _ in range(2)]
        for _ in slow:
            await endpoints.entered.acquire()
        status, document, retry_after = await ask(session, "ada")
        assert (status, document["error"]["code"], retry_after) == (429, "TooManyRequests", "1")
        other = group.create_task(ask(session, "bob"))
        await endpoints.entered.acquire()
        endpoints.free.set()
        assert (await other)[:2] == (200, {"items": ["bob"]})
        assert [(await one)[0] for one in slow] == [200, 200]
        assert (await ask(session, "ada"))[0] == 200


async def test_too_many_requests_of_all_callers_are_refused() -> None:
    endpoints = Endpoints()
    async with serving(endpoints, Access(), requests=1) as session, asyncio.TaskGroup() as group:
        slow = group.create_task(ask(session, "ada"))
        await endpoints.entered.acquire()
        status, document, retry_after = await ask(session, "bob")
        assert (status, document["error"]["code"], retry_after) == (503, "Unavailable", "1")
        endpoints.free.set()
        assert (await slow)[0] == 200


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (HistoryUnavailableError(SECRET), 503, "Unavailable"),
        (HistoryRefusedError(SECRET), 503, "Unavailable"),
        (UnavailableError(SECRET), 503, "Unavailable"),
        (RuntimeError(SECRET), 500, "Internal"),
    ],
)
async def test_an_error_behind_the_server_is_answered_without_its_details(error, status, code) -> None:
    endpoints = Endpoints()
    endpoints.error = error
    async with serving(endpoints, Access()) as session:
        found, document, retry_after = await ask(session, "ada")
    assert (found, document["error"]["code"]) == (status, code)
    assert (retry_after is not None) == (status == 503)
    assert SECRET not in str(document)


async def test_nobody_is_served_while_the_api_server_reviews_nobody() -> None:
    access = Access()
    access.error = UnavailableError("away")
    async with serving(Endpoints(), access) as session:
        status, document, _ = await ask(session, "ada")
    assert (status, "API server" in document["error"]["message"]) == (503, True)
