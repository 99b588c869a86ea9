"""A namespace for a whole module, where tests only ask the API server and store nothing."""

from collections.abc import Iterator

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from support.cluster import new_namespace


@pytest.fixture(scope="module")
def shared(crds: Cluster) -> Iterator[Kubectl]:
    """Kubectl in a namespace of the module's own, for dry runs and objects that nobody changes."""
    with new_namespace(crds, "test") as name:
        yield crds.kubectl.within(name)
