"""The ``http`` executor as users meet it, allowed to reach the test server."""

from collections.abc import AsyncIterator

import pytest

from support.runs import toolbox
from taskaction.executors.http import HttpExecutor


@pytest.fixture
async def http() -> AsyncIterator[HttpExecutor]:
    executor = HttpExecutor.build(toolbox())
    yield executor
    await executor.close()
