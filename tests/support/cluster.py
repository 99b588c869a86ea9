"""What the cluster fixtures do, apart from being fixtures: manifests, namespaces, cleaning up.

Some 250 tests clean a namespace up. By kubectl that would be three programs each, which take longer than most tests; so
it is done by a client that stays connected.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from kubernetes import config
from kubernetes.client import ApiClient, CoreV1Api, CustomObjectsApi
from kubernetes.client.exceptions import ApiException

from cluster.kubectl import Kubectl
from local.manifests import GROUP
from support.api import create_object
from taskaction.core.constants import VERSION


def strip_finalizers(kubectl: Kubectl, namespace: str) -> None:
    """Let go of every object of the project's in a namespace that is being deleted."""
    objects = CustomObjectsApi(_client(str(kubectl.kubeconfig)))
    try:
        served = objects.get_api_resources(GROUP, VERSION).resources
    except ApiException as error:
        if error.status != 404:
            raise
        return
    for kind in served:
        if not kind.namespaced or "/" in kind.name:
            continue
        for item in objects.list_namespaced_custom_object(GROUP, VERSION, namespace, kind.name)["items"]:
            if not item["metadata"].get("finalizers"):
                continue
            with suppressing(404, 409):  # gone or changed meanwhile
                objects.patch_namespaced_custom_object(
                    GROUP, VERSION, namespace, kind.name, item["metadata"]["name"], {"metadata": {"finalizers": None}}
                )


def delete_namespace(kubectl: Kubectl, namespace: str) -> None:
    """Delete a namespace so that nothing in it can hold it up, without waiting for the end."""
    with suppressing(404, 409):  # gone already, or going
        CoreV1Api(_client(str(kubectl.kubeconfig))).delete_namespace(namespace)
    strip_finalizers(kubectl, namespace)


@contextmanager
def new_namespace(kubectl: Kubectl, prefix: str) -> Iterator[str]:
    """Give a namespace of a name of its own, for a while."""
    name = f"{prefix}-{secrets.token_hex(4)}"
    create_object(kubectl, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield name
    finally:
        delete_namespace(kubectl, name)


@contextmanager
def suppressing(*codes: int) -> Iterator[None]:
    """Pass over answers of the API server that have one of these codes."""
    try:
        yield
    except ApiException as error:
        if error.status not in codes:
            raise


@cache
def _client(kubeconfig: str) -> ApiClient:
    return config.new_client_from_config(kubeconfig)
