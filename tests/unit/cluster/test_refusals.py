"""A refusal counts when the API server knows whom it allows what: one that has just started refuses everybody."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession, web

from taskaction.cluster import rest
from taskaction.cluster.errors import ForbiddenError, UnavailableError
from taskaction.cluster.gateway import SECRETS
from taskaction.cluster.http_pool import HttpPool
from taskaction.cluster.rest import RestCluster

USER = "system:serviceaccount:team-a:runner"


@dataclass
class Starting:
    """An API server that answers with these codes, each time with the next and then with the last."""

    codes: list[int]
    ready: list[int]
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path.rsplit("/", 1)[-1])
        codes = self.ready if request.path == "/readyz" else self.codes
        code = codes.pop(0) if len(codes) > 1 else codes[0]
        return web.json_response({"kind": "Status", "message": f"said {code}", "code": code}, status=code)

    @asynccontextmanager
    async def cluster(self) -> AsyncIterator[RestCluster]:
        runner = web.ServerRunner(web.Server(self.answer))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        pool = HttpPool(f"http://{host}:{port}", tls=None)
        async with aclosing(pool), ClientSession() as session:
            yield RestCluster(f"http://{host}:{port}", pool, session, lambda _: None)
        await runner.cleanup()


@pytest.mark.parametrize("ready", [500, 403, 401, 503])
async def test_a_server_that_is_not_ready_has_not_refused(ready: int) -> None:
    server = Starting(codes=[403], ready=[ready])
    async with server.cluster() as cluster:
        with pytest.raises(UnavailableError, match="has just started and is not ready: said 403"):
            await cluster.get(SECRETS, "s", "team-a", as_user=USER)
    assert server.asked == ["s", "readyz"]


async def test_a_server_that_has_become_ready_is_asked_again() -> None:
    server = Starting(codes=[403, 200], ready=[200])
    async with server.cluster() as cluster:
        assert await cluster.get(SECRETS, "s", "team-a", as_user=USER) is not None
    assert server.asked == ["s", "readyz", "s"]


@pytest.mark.parametrize("ready", [200, 404])
async def test_a_server_that_is_ready_has_refused(ready: int) -> None:
    server = Starting(codes=[403], ready=[ready])
    async with server.cluster() as cluster:
        with pytest.raises(ForbiddenError):
            await cluster.get(SECRETS, "s", "team-a", as_user=USER)
    assert server.asked == ["s", "readyz", "s", "runner"], "last, whether the account exists"


async def test_a_server_that_tells_nobody_is_taken_for_ready_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    clock: Callable[[], float] = lambda: now  # noqa: E731 - it follows the variable
    monkeypatch.setattr(rest.time, "perf_counter", clock)
    server = Starting(codes=[403], ready=[403])
    async with server.cluster() as cluster:
        for seconds in (0.0, 30.0, 30.0):
            now += seconds
            with pytest.raises(UnavailableError):
                await cluster.get(SECRETS, "s", "team-a", as_user=USER)
        now += 1.0
        with pytest.raises(ForbiddenError):
            await cluster.get(SECRETS, "s", "team-a", as_user=USER)
        now += 3600.0  # another start
        with pytest.raises(UnavailableError):
            await cluster.get(SECRETS, "s", "team-a", as_user=USER)
