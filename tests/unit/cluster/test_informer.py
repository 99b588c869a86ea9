"""An informer tells of everything that is there and of everything that is gone, whatever the watch has missed."""

import asyncio
from collections.abc import AsyncIterator

from taskaction.cluster.errors import ExpiredError, UnavailableError
from taskaction.cluster.gateway import TASK_ACTIONS
from taskaction.cluster.informer import Informer, Page
from taskaction.testing.clock import FakeClock, settle


def body(uid: str, version: int) -> dict:
    return {"metadata": {"uid": uid, "resourceVersion": str(version)}}


class Server:
    """Gives what the test says: pages of lists, and watches as lists of events that may end in an error."""

    def __init__(self, lists: list[list[Page]], watches: list[list]) -> None:
        self.pages = [page for pages in lists for page in pages]
        self.watches = watches
        self.since: list[str] = []

    async def page(self, *_: object, **__: object) -> Page:
        return self.pages.pop(0)

    async def watch(self, *_: object, since: str, **__: object) -> AsyncIterator[tuple[str, dict]]:
        self.since.append(since)
        if not self.watches:
            await asyncio.Event().wait()
        for event in self.watches.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event


async def told(server: Server, seconds: float = 0.0) -> list[str]:
    """Follow until the server says no more; give what was told, in its order."""
    said: list[str] = []
    clock = FakeClock()
    informer = Informer(
        server,
        clock,
        TASK_ACTIONS,
        changed=lambda found: said.append(f"{found['metadata']['uid']}@{found['metadata']['resourceVersion']}"),
        gone=lambda uid: said.append(f"-{uid}"),
    )
    task = asyncio.create_task(informer.run(lambda what, error: said.append(f"failed: {error}")))
    await settle()
    await clock.advance(seconds)
    task.cancel()
    assert informer.listed.is_set()
    return said


async def test_a_list_in_pages_is_followed_by_a_watch_from_its_moment():
    server = Server(
        [[Page([body("a", 1)], "5", "more"), Page([body("b", 2)], "5", "")]], [[("MODIFIED", body("a", 6))]]
    )
    assert await told(server) == ["a@1", "b@2", "a@6"]
    assert server.since == ["5", "6"]


async def test_a_deletion_is_told_and_a_bookmark_moves_on_in_silence():
    bookmark = ("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    server = Server([[Page([body("a", 1)], "5", "")]], [[("DELETED", body("a", 6)), bookmark]])
    assert await told(server) == ["a@1", "-a"]
    assert server.since == ["5", "9"]


async def test_what_vanished_while_a_watch_was_too_old_is_told_after_the_next_list():
    server = Server(
        [[Page([body("a", 1), body("b", 2)], "5", "")], [Page([body("b", 2)], "20", "")]],
        [[ExpiredError("too old")]],
    )
    assert await told(server) == ["a@1", "b@2", "b@2", "-a"]
    assert server.since == ["5", "20"]


async def test_a_broken_watch_goes_on_where_it_was_without_a_list():
    server = Server([[Page([], "5", "")]], [[("ADDED", body("a", 6)), UnavailableError("gone")]])
    assert await told(server, seconds=2) == ["a@6", "failed: gone"]
    assert server.since == ["5", "6"]
