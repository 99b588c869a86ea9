"""Work that nobody waits for: it is kept until it ends, its errors are told, and at the end all of it is over."""

import asyncio
from contextlib import suppress

import pytest

from taskaction.control.objects import background
from taskaction.control.objects.background import Background
from taskaction.testing.clock import settle

LONG = 60.0
"""More than any of these tests takes: where it is waited for, something hangs."""


class Told:
    def __init__(self) -> None:
        self.errors: list[tuple[str, BaseException]] = []
        self.background = Background(lambda name, error: self.errors.append((name, error)))
        self.ended: list[str] = []
        self.cue = asyncio.Event()

    async def work(self, name: str) -> None:
        """Wait for the cue, then end."""
        await self.cue.wait()
        self.ended.append(name)


@pytest.fixture
async def told() -> Told:
    return Told()


async def fail(error: BaseException) -> None:
    raise error


async def test_work_goes_on_by_itself(told) -> None:
    told.background.start(told.work("a"), name="a")
    told.background.start(told.work("b"), name="b")
    assert len(told.background) == 2

    told.cue.set()
    await settle()

    assert told.ended == ["a", "b"]
    assert len(told.background) == 0


async def test_an_error_is_told_with_the_name_of_the_work_and_costs_no_other(told) -> None:
    error = RuntimeError("a bug")
    told.background.start(fail(error), name="flush one")
    told.background.start(told.work("a"), name="a")
    told.cue.set()
    await settle()

    assert told.errors == [("flush one", error)]
    assert told.ended == ["a"]


async def test_the_end_waits_for_all_work(told) -> None:
    told.background.start(told.work("a"), name="a")
    finish = asyncio.ensure_future(told.background.finish(LONG))
    await settle()
    assert not finish.done()

    told.cue.set()
    await finish

    assert told.ended == ["a"]


async def test_the_end_waits_for_work_that_is_started_meanwhile(told) -> None:
    async def outer() -> None:
        await told.work("outer")
        told.background.start(inner(), name="inner")

    async def inner() -> None:
        await settle()
        told.ended.append("inner")

    told.background.start(outer(), name="outer")
    finish = asyncio.ensure_future(told.background.finish(LONG))
    await settle()
    told.cue.set()
    await finish

    assert told.ended == ["outer", "inner"]


async def test_work_that_outlives_the_bound_is_cancelled_which_is_no_error(told) -> None:
    told.background.start(told.work("a"), name="a")
    async with asyncio.timeout(LONG / 10):
        await told.background.finish(0.01)

    assert (told.ended, told.errors, len(told.background)) == ([], [], 0)


async def test_work_that_ignores_its_cancellation_is_left_behind(told, monkeypatch) -> None:
    monkeypatch.setattr(background, "_OBEY_SECONDS", 0.01)
    enough = asyncio.Event()

    async def stubborn() -> None:
        while not enough.is_set():
            with suppress(asyncio.CancelledError):
                await enough.wait()

    told.background.start(stubborn(), name="stubborn")
    await settle()
    async with asyncio.timeout(LONG / 10):
        await told.background.finish(0.01)
    assert len(told.background) == 1

    enough.set()
    await settle()
    assert len(told.background) == 0


async def test_an_error_at_the_very_end_is_told_as_well(told) -> None:
    error = RuntimeError("while cleaning up")

    async def clumsy() -> None:
        try:
            await told.work("a")
        finally:
            raise error

    told.background.start(clumsy(), name="clumsy")
    await settle()
    await told.background.finish(0)
    await settle()

    assert told.errors == [("clumsy", error)]


async def test_an_end_without_work_is_immediate(told) -> None:
    async with asyncio.timeout(LONG / 10):
        await told.background.finish(LONG)

    assert len(told.background) == 0
