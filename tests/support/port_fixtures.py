"""Fixtures of a server that stands for Port, and of agents that claim from it; named in `conftest.py`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.kubectl import Kubectl
from support.port_processes import PortAgents
from support.port_server import PortServer


@pytest.fixture
def port() -> Iterator[PortServer]:
    with PortServer().in_thread() as server:
        yield server


@pytest.fixture
def agents(kubectl: Kubectl, port: PortServer, tmp_path: Path) -> Iterator[PortAgents]:
    found = PortAgents(kubectl, tmp_path, port)
    yield found
    found.stop()
