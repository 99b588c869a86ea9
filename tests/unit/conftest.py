"""What holds for all tests without a cluster, and a real HTTP server for the executors that make requests."""

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from taskaction.testing.targets import HttpServer


@pytest.fixture(scope="session", autouse=True)
def unchanged_logs() -> Iterator[None]:
    """Keep commands that run inside this process from configuring its logs, on which other tests depend.

    Log lines go to ``logging``: by default structlog prints them, into what a test reads as the output of a command.
    """
    structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("taskaction.runtime.logs.configure_logs", lambda *_: None)
        yield


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as serving:
        yield serving
