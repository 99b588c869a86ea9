"""A namespace for a whole module, where tests only ask the API server and store nothing."""

import secrets
from collections.abc import Iterator

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from support.cluster import delete_namespace


@pytest.fixture(scope="module")
def shared(crds: Cluster) -> Iterator[Kubectl]:
    """Kubectl in a namespace of the module's own, for dry runs and objects that nobody changes."""
    name = f"test-{secrets.token_hex(4)}"
    crds.kubectl("create", "namespace", name)
    yield crds.kubectl.within(name)
    delete_namespace(crds.kubectl, name)
