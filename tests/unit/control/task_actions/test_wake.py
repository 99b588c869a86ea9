"""News of what an action waits for has it polled at once, and once; also where it comes while it is being called."""

import asyncio

import pytest

from support.memory_operator import MemoryOperator, actions
from taskaction.lifecycle.outcomes import Outcome, Pending
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.toolbox import Toolbox


class Asked(AbstractExecutor):
    """Goes on outside for ever; each call lasts until the test ends it."""

    ACTION_NAME = "asked"
    IDEMPOTENT = True

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.answers = asyncio.Semaphore(0)

    async def execute(self, run: Run) -> Outcome:
        self.calls.append("execute")
        await self.answers.acquire()
        return Pending(external_id="job", poll_after=3600)

    async def poll(self, run: Run) -> Outcome:
        self.calls.append("poll")
        await self.answers.acquire()
        return Pending(poll_after=3600)


@pytest.fixture
def asked() -> Asked:
    return Asked()


async def at_work(asked: Asked) -> MemoryOperator:
    class Build:
        ACTION_NAME = Asked.ACTION_NAME

        @staticmethod
        def build(toolbox: Toolbox) -> Asked:
            return asked

    operator = MemoryOperator(Build)
    await operator.__aenter__()
    await operator.create(*actions(["one"], "asked"))
    return operator


async def wake(operator: MemoryOperator, times: int = 1) -> None:
    for _ in range(times):
        operator.control.actions.reconciler.poll(operator.action("one").metadata.uid)
    await operator.settle()


async def answer(operator: MemoryOperator, asked: Asked) -> None:
    asked.answers.release()
    await operator.settle()


async def test_one_that_waits_is_polled_at_once_and_once(asked: Asked) -> None:
    operator = await at_work(asked)
    try:
        await answer(operator, asked)
        assert asked.calls == ["execute"]
        await wake(operator, times=3)
        assert asked.calls == ["execute", "poll"]
        await answer(operator, asked)
        await operator.pass_time(60)
        assert asked.calls == ["execute", "poll"]
    finally:
        await operator.__aexit__(None, None, None)


@pytest.mark.parametrize("times", [1, 3])
async def test_one_that_is_being_called_is_polled_when_the_call_has_ended(asked: Asked, times: int) -> None:
    operator = await at_work(asked)
    try:
        await wake(operator, times)
        assert asked.calls == ["execute"]
        await answer(operator, asked)
        assert asked.calls == ["execute", "poll"]
        await answer(operator, asked)
        await operator.pass_time(60)
        assert asked.calls == ["execute", "poll"]
    finally:
        await operator.__aexit__(None, None, None)


async def test_news_of_an_action_that_is_not_known_changes_nothing(asked: Asked) -> None:
    operator = await at_work(asked)
    try:
        operator.control.actions.reconciler.poll("somebody-else")
        await operator.settle()
        assert asked.calls == ["execute"]
    finally:
        await operator.__aexit__(None, None, None)
