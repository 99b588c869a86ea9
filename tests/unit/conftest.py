"""What holds for all tests without a cluster, and a real HTTP server for the executors that make requests."""

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from taskaction.testing.targets import HttpServer


@pytest.fixture(scope="session", autouse=True)
def unchanged_logs() -> Iterator[None]:
    """Keep commands that run inside this process from configuring its logs, on which other tests depend.

    Log lines go to ``logging``: by default structlog prints them, into what a test reads as the output of a command.
    Tracebacks are plain, as in the operator: by default rich draws them with every variable, which took a fifth of the
    time of these tests.
    """
    *processors, _ = structlog.get_config()["processors"]
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *processors, renderer],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("taskaction.runtime.logs.configure_logs", lambda *_: None)
        yield


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as serving:
        yield serving
