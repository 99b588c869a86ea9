"""Calls in the operator's own name are tried again as long as the fault is the server's."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from taskaction.cluster.errors import (
    ClusterError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from taskaction.cluster.retry import Retrier
from taskaction.testing.clock import FakeClock


def failing(*errors: ClusterError) -> Callable[[], Awaitable[str]]:
    left = list(errors)

    async def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return call


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError("down"),
        UnauthorizedError("the token is being renewed"),
        ForbiddenError("an API server that has not read its roles yet"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_passes_by_itself_is_waited_for(error: ClusterError) -> None:
    clock, told = FakeClock(), []
    call = asyncio.create_task(Retrier(clock, lambda: 0.0, told.append)(failing(error, error)))
    await clock.advance(10)
    assert call.done()
    assert await call == "done"
    assert told == [error, error]


@pytest.mark.parametrize("error", [ConflictError("x"), InvalidError("x"), NotFoundError("x")], ids=repr)
async def test_what_is_about_the_request_is_the_callers_to_know(error: ClusterError) -> None:
    with pytest.raises(type(error)):
        await Retrier(FakeClock(), lambda: 0.0, lambda _: None)(failing(error))


async def test_the_server_says_how_long_to_wait() -> None:
    clock = FakeClock()
    busy = UnavailableError("busy", retry_after=30.0)
    call = asyncio.create_task(Retrier(clock, lambda: 0.0, lambda _: None)(failing(busy)))
    await clock.advance(29)
    assert not call.done()
    await clock.advance(2)
    assert await call == "done"
