"""What the cluster fixtures do, apart from being fixtures: namespaces and cleaning up.

Hundreds of tests clean a namespace up. By kubectl that would be three programs each, which take longer than most tests;
so it is done over a connection that stays open.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from cluster.kubectl import Kubectl
from local.manifests import GROUP
from support.api import MERGE_PATCH, RefusedError, Resource, create_object, server_of
from taskaction.core.constants import VERSION

SERVED = f"/apis/{GROUP}/{VERSION}"


def strip_finalizers(kubectl: Kubectl, namespace: str) -> None:
    """Remove the finalizers of every object of the project's in a namespace that is being deleted."""
    server = server_of(kubectl)
    kinds = []
    with ignore_refusals(HTTPStatus.NOT_FOUND):  # a cluster without the project's kinds
        kinds = server.request("GET", SERVED)["resources"]
    for kind in kinds:
        if not kind["namespaced"] or "/" in kind["name"]:
            continue
        resource = Resource(SERVED, kind["name"], namespaced=True)
        for item in server.request("GET", resource.path(namespace))["items"]:
            if not item["metadata"].get("finalizers"):
                continue
            with ignore_refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):  # deleted or changed meanwhile
                path = resource.path(namespace, item["metadata"]["name"])
                server.request("PATCH", path, {"metadata": {"finalizers": None}}, headers=MERGE_PATCH)


def delete_namespace(kubectl: Kubectl, namespace: str) -> None:
    """Delete a namespace so that nothing in it can delay the end, and return without waiting for that."""
    with ignore_refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):  # deleted already, or terminating
        server_of(kubectl).request("DELETE", f"/api/v1/namespaces/{namespace}")
    strip_finalizers(kubectl, namespace)


@contextmanager
def new_namespace(kubectl: Kubectl, prefix: str) -> Iterator[str]:
    """Create a namespace with a name of its own, and delete it at the end of the block."""
    name = f"{prefix}-{secrets.token_hex(4)}"
    create_object(kubectl, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield name
    finally:
        delete_namespace(kubectl, name)


@contextmanager
def ignore_refusals(*codes: HTTPStatus) -> Iterator[None]:
    """Ignore refusals of the API server that have one of these codes."""
    try:
        yield
    except RefusedError as error:
        if error.status not in codes:
            raise
