"""A provider on loopback, and an executor that may call it."""

from collections.abc import AsyncIterator

import pytest

from support.globus_calls import DESCRIPTION, status
from support.runs import LOOPBACK
from taskaction.executors.http.client import GuardedClient
from taskaction.integrations.globus.client import ProviderClient
from taskaction.integrations.globus.executor import GlobusExecutor
from taskaction.plugin.evaluation import Evaluator
from taskaction.testing.clock import FakeClock
from taskaction.testing.targets import HttpServer, says


@pytest.fixture
async def provider() -> AsyncIterator[HttpServer]:
    async with HttpServer() as server:
        server.on("GET /", says(DESCRIPTION))
        server.on("POST /run", says(status("ACTIVE"), 202))
        yield server


@pytest.fixture
async def executor() -> AsyncIterator[GlobusExecutor]:
    found = GlobusExecutor(ProviderClient(GuardedClient(LOOPBACK)), FakeClock(), Evaluator())
    yield found
    await found.close()
