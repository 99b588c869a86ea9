"""A real HTTP server for the executors that make requests."""

from collections.abc import AsyncIterator

import pytest

from taskaction.testing.targets import HttpServer


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as serving:
        yield serving
