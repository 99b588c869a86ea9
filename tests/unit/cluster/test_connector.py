"""Connections to the API server after a burst: those that are not needed any more are closed."""

import asyncio

import aiohttp
from aiohttp import web

from taskaction.cluster.connector import ShrinkingConnector
from taskaction.testing.targets import HttpServer, says

BURST = 8
IDLE_SECONDS = 0.2


async def test_connections_of_a_burst_are_closed_although_requests_go_on() -> None:
    together = asyncio.Barrier(BURST)

    async def answer_together(_: web.BaseRequest) -> web.Response:
        await together.wait()
        return web.Response()

    async with HttpServer() as server:
        server.on("GET /burst", answer_together)
        server.on("GET /one", says())
        connector = ShrinkingConnector(keepalive_timeout=IDLE_SECONDS)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def request(path: str) -> None:
                async with session.get(f"{server.url}/{path}") as response:
                    await response.read()

            await asyncio.gather(*(request("burst") for _ in range(BURST)))
            assert len(opened(server)) == BURST
            async with asyncio.timeout(10):
                while sum(map(len, connector._conns.values())) > 1:
                    await request("one")
        used = {seen.client_port for seen in server.asked("GET /one")}
        assert len(used) == 1
        assert used < opened(server)


def opened(server: HttpServer) -> set[int]:
    return {seen.client_port for seen in server.seen}
