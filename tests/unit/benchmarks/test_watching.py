"""What the load's watch does when the API server ends it, forgets what came since, or refuses it."""

import asyncio

import aiohttp
import orjson
import pytest
from aiohttp import web

from benchmarks.watching import Follower, View
from cluster.errors import ClusterError
from taskaction.testing.targets import HttpServer

PATH = "/actions"
GONE = {"kind": "Status", "metadata": {}, "message": "too old resource version", "code": 410}


def event(kind: str, name: str, version: int) -> dict[str, object]:
    return {"type": kind, "object": {"metadata": {"name": name, "resourceVersion": str(version)}}}


class ApiServer:
    """Answers each list and each watch with what a test has prepared; a watch beyond that stays open."""

    def __init__(self) -> None:
        self.lists: list[tuple[int, dict[str, int]]] = []
        self.watches: list[list[dict[str, object]]] = []
        self.versions: list[str] = []
        self.finished = asyncio.Event()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if "watch" not in request.query:
            version, items = self.lists.pop(0)
            found = [{"metadata": {"name": name, "resourceVersion": str(at)}} for name, at in items.items()]
            return web.json_response({"metadata": {"resourceVersion": str(version)}, "items": found})
        self.versions.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        if not self.watches:
            self.finished.set()
            await asyncio.Event().wait()
        for line in self.watches.pop(0):
            await response.write(orjson.dumps(line) + b"\n")
        return response

    async def follow(self, version: str = "") -> list[str]:
        """Give what a follower was shown until it has nothing more to come, as types and names."""
        shown: list[str] = []

        def note(line: bytes) -> None:
            found = orjson.loads(line)
            shown.append(f"{found['type']} {found['object']['metadata']['name']}")

        async with HttpServer() as server, aiohttp.ClientSession() as session:
            server.on(f"GET {PATH}", self.answer)
            follower = Follower(session, server.url, View(PATH), version)
            following = asyncio.create_task(follower.follow(note, asyncio.Event()))
            finished = asyncio.create_task(self.finished.wait())
            async with asyncio.timeout(10):
                await asyncio.wait({following, finished}, return_when=asyncio.FIRST_COMPLETED)
            finished.cancel()
            if following.done():
                following.result()
            following.cancel()
        return shown


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


async def test_a_watch_that_was_ended_continues_after_its_last_event_or_bookmark(server: ApiServer) -> None:
    server.lists = [(5, {"a": 3})]
    server.watches = [[event("ADDED", "b", 6)], [event("BOOKMARK", "", 9)]]
    assert await server.follow() == ["ADDED b"]
    assert server.versions == ["5", "6", "9"]


async def test_after_a_gap_only_what_has_changed_since_is_shown(server: ApiServer) -> None:
    server.lists = [(5, {}), (20, {"a": 3, "b": 6, "c": 12, "d": 19})]
    server.watches = [[event("ADDED", "b", 6), {"type": "ERROR", "object": GONE}], [event("MODIFIED", "c", 21)]]
    assert await server.follow() == ["ADDED b", "ADDED c", "ADDED d", "MODIFIED c"]
    assert server.versions == ["5", "20", "21"]


async def test_another_refusal_ends_it_with_what_the_api_server_says(server: ApiServer) -> None:
    server.watches = [[{"type": "ERROR", "object": {**GONE, "code": 500, "message": "it broke"}}]]
    with pytest.raises(ClusterError, match="it broke"):
        await server.follow("5")
