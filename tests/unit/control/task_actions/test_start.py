"""A replica begins to work when it has seen what exists, however much goes on meanwhile."""

import asyncio
from types import SimpleNamespace
from typing import Any

from taskaction.app.operator import Operator
from taskaction.runtime.config import OperatorConfig

STEP = 0.01


class Scene:
    """What the start looks at: watches that have all begun, and a cluster that has news every few milliseconds."""

    def __init__(self, word: str | None) -> None:
        self.word = word
        self.begun = False
        self.operator = Operator(OperatorConfig())
        self.control: Any = SimpleNamespace(
            listed=0,
            table=(),
            tenures=SimpleNamespace(held_count=0),
            start_processing=self._begin,
            dispatch_notification=lambda *_: None,
        )

    def _begin(self) -> None:
        self.begun = True

    async def send_news(self) -> None:
        while True:
            self.operator._on_notification(self.control, ("TaskAction", self.word, {"metadata": {"name": "busy"}}))
            await asyncio.sleep(STEP)

    async def start(self, seconds: float) -> None:
        """Let the start go on beside the news for so long."""
        freshness: Any = SimpleNamespace(watched_paths=range(99))
        inbox: Any = ()
        news = asyncio.create_task(self.send_news())
        start = asyncio.create_task(self.operator._wait_for_sync(self.control, freshness, inbox, asyncio.Event(), 1))
        await asyncio.wait({start}, timeout=seconds)
        for task in (news, start):
            task.cancel()
        await asyncio.gather(news, start, return_exceptions=True)


async def test_work_begins_although_there_is_always_news() -> None:
    scene = Scene("MODIFIED")
    await scene.start(seconds=30)
    assert scene.begun


async def test_work_does_not_begin_while_what_exists_is_still_being_listed() -> None:
    scene = Scene(None)
    await scene.start(seconds=1)
    assert not scene.begun
