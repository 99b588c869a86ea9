"""Two namespaces that must not reach each other, and a server that an attacker listens at."""

from collections.abc import Iterator

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from support.attackers import Listener
from support.cluster import new_namespace


@pytest.fixture
def attacker(crds: Cluster) -> Iterator[Kubectl]:
    """Kubectl in the namespace of the attacker; `--as=` names which of the accounts there acts."""
    with new_namespace(crds, "attacker") as name:
        yield crds.kubectl.within(name)


@pytest.fixture
def victim(crds: Cluster) -> Iterator[Kubectl]:
    """Kubectl in the namespace of somebody else."""
    with new_namespace(crds, "victim") as name:
        yield crds.kubectl.within(name)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        yield server
