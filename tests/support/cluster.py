"""What the cluster fixtures do, apart from being fixtures: namespaces and cleaning up.

Hundreds of tests clean a namespace up. By kubectl that would be three programs each, which take longer than most tests;
so it is done over a connection that stays open. The end of a namespace takes the API server and its controllers a
quarter of a second of CPU, because they look for objects of every kind; so where nothing else would remove its objects
later, it ends, and where the whole cluster is thrown away, only the objects that operators watch are deleted.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from cluster.clusters import Cluster
from cluster.controlplane import ControlPlane
from cluster.kubectl import Kubectl
from local.manifests import GROUP
from support.api import MERGE_PATCH, RefusedError, Resource, create_object, server_of
from taskaction.core.constants import VERSION

LEASES = Resource("/apis/coordination.k8s.io/v1", "leases", namespaced=True)
SERVED = f"/apis/{GROUP}/{VERSION}"


def strip_finalizers(kubectl: Kubectl, namespace: str) -> None:
    """Remove the finalizers of every object of the project's in a namespace that is being deleted."""
    for resource in list_kinds(kubectl):
        strip_finalizers_of(kubectl, resource, namespace)


def strip_finalizers_of(kubectl: Kubectl, resource: Resource, namespace: str) -> None:
    """Remove the finalizers of every object of one kind in a namespace."""
    server = server_of(kubectl)
    for item in server.request("GET", resource.path(namespace))["items"]:
        if not item["metadata"].get("finalizers"):
            continue
        with ignore_refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):  # deleted or changed meanwhile
            path = resource.path(namespace, item["metadata"]["name"])
            server.request("PATCH", path, {"metadata": {"finalizers": None}}, headers=MERGE_PATCH)


def list_kinds(kubectl: Kubectl) -> list[Resource]:
    """Return the project's kinds whose objects are in namespaces; empty on a cluster without them."""
    kinds = []
    with ignore_refusals(HTTPStatus.NOT_FOUND):
        kinds = server_of(kubectl).request("GET", SERVED)["resources"]
    found = [kind["name"] for kind in kinds if kind["namespaced"] and "/" not in kind["name"]]
    return [Resource(SERVED, name, namespaced=True) for name in found]


def delete_namespace(kubectl: Kubectl, namespace: str) -> None:
    """Delete a namespace so that nothing in it can delay the end, and return without waiting for that."""
    with ignore_refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):  # deleted already, or terminating
        server_of(kubectl).request("DELETE", f"/api/v1/namespaces/{namespace}")
    strip_finalizers(kubectl, namespace)


def empty_namespace(kubectl: Kubectl, namespace: str) -> None:
    """Delete what others could meet later: the project's objects, and Leases, by which `doctor` finds operators."""
    server = server_of(kubectl)
    server.request("DELETE", LEASES.path(namespace))
    for resource in list_kinds(kubectl):
        if server.request("GET", resource.path(namespace))["items"]:
            server.request("DELETE", resource.path(namespace))
            strip_finalizers_of(kubectl, resource, namespace)  # after the deletion, which lets nobody add one


@contextmanager
def new_namespace(cluster: Cluster, prefix: str) -> Iterator[str]:
    """Create a namespace with a name of its own, and remove at the end of the block what operators could meet."""
    kubectl = cluster.kubectl
    name = f"{prefix}-{secrets.token_hex(4)}"
    create_object(kubectl, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield name
    finally:
        discard_namespace(cluster, name)


def discard_namespace(cluster: Cluster, namespace: str) -> None:
    """Remove what operators could meet in a namespace, and on a cluster that stays the namespace itself."""
    if is_thrown_away(cluster):
        empty_namespace(cluster.kubectl, namespace)
    else:
        delete_namespace(cluster.kubectl, namespace)


def is_thrown_away(cluster: Cluster) -> bool:
    """Whether a cluster ends with the tests and runs no pods, which would go on in a namespace that stays."""
    return isinstance(cluster, ControlPlane) and cluster.pods == ControlPlane.pods


@contextmanager
def ignore_refusals(*codes: HTTPStatus) -> Iterator[None]:
    """Ignore refusals of the API server that have one of these codes."""
    try:
        yield
    except RefusedError as error:
        if error.status not in codes:
            raise
