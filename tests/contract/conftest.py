"""The two clusters that must not differ: the one in memory that unit tests use, and a real API server."""

from collections.abc import AsyncIterator

import pytest

from support.fake_cluster import FakeCluster
from taskaction.cluster.credentials import Credentials
from taskaction.cluster.gateway import Cluster
from taskaction.cluster.rest import RestCluster
from taskaction.cluster.session import open_session
from taskaction.core.clock import SystemClock


@pytest.fixture(params=["in memory", "real"])
async def gateway(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """Each cluster in turn."""
    if request.param == "in memory":
        yield FakeCluster()
        return
    running = request.getfixturevalue("crds")
    credentials = Credentials.load(SystemClock(), kubeconfig=running.kubeconfig)
    async with open_session(credentials, in_flight=8) as session:
        yield RestCluster(credentials.server, session, lambda _: None)


@pytest.fixture
def where(request: pytest.FixtureRequest) -> str:
    """The namespace to work in."""
    real = "gateway" in request.fixturenames and request.node.callspec.params["gateway"] == "real"
    return request.getfixturevalue("namespace") if real else "default"
