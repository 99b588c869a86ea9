"""A replica begins to work when it has seen what exists, however much goes on meanwhile."""

import asyncio
from types import SimpleNamespace
from typing import Any

from taskaction.app.initial_sync import InitialSync
from taskaction.testing.clock import FakeClock

LONG = 30.0
NEWS_EVERY = 0.01


async def is_synced(event: str | None, watched: int = 3, inbox: tuple[str, ...] = ()) -> bool:
    """Whether the wait is over after a long time in which something arrives every few milliseconds."""
    clock = FakeClock()
    freshness: Any = SimpleNamespace(watched_paths=range(watched))
    sync = InitialSync(freshness, inbox, clock, watches=3)
    waiting = asyncio.create_task(sync.wait())
    for _ in range(round(LONG / NEWS_EVERY)):
        await asyncio.sleep(0)
        sync.on_notification(event)
        await clock.advance(NEWS_EVERY)
    waiting.cancel()
    return not (await asyncio.gather(waiting, return_exceptions=True))[0]


async def test_work_begins_although_there_is_always_news() -> None:
    assert await is_synced("MODIFIED")


async def test_work_does_not_begin_while_what_exists_is_still_being_listed() -> None:
    assert not await is_synced(None)


async def test_work_does_not_begin_before_every_watch_has_started() -> None:
    assert not await is_synced("MODIFIED", watched=2)


async def test_work_does_not_begin_while_objects_wait_to_be_processed() -> None:
    assert not await is_synced("MODIFIED", inbox=("waiting",))
