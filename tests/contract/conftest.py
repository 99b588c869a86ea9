"""The two clusters that must not differ: the one in memory that unit tests use, and a real API server."""

from collections.abc import AsyncIterator

import pytest

from support.fake_cluster import FakeCluster
from taskaction.cluster.gateway import Cluster
from taskaction.core.clock import SystemClock
from taskaction.runtime.api_session import open_api_session


@pytest.fixture(params=["in memory", "real"])
async def gateway(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """Each cluster in turn."""
    if request.param == "in memory":
        yield FakeCluster()
        return
    running = request.getfixturevalue("crds")
    async with open_api_session(SystemClock(), kubeconfig=running.kubeconfig, connections=8) as api:
        yield api.cluster


@pytest.fixture
def where(request: pytest.FixtureRequest) -> str:
    """The namespace to work in."""
    real = "gateway" in request.fixturenames and request.node.callspec.params["gateway"] == "real"
    return request.getfixturevalue("namespace") if real else "default"
