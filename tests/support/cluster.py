"""What the cluster fixtures do, apart from being fixtures: manifests, namespaces, cleaning up."""

import json
from contextlib import suppress

from cluster.errors import KubectlError
from cluster.kubectl import Kubectl
from local.manifests import GROUP


def strip_finalizers(kubectl: Kubectl, namespace: str) -> None:
    """Let go of every object of the project's in a namespace that is being deleted."""
    kinds = kubectl("api-resources", f"--api-group={GROUP}", "--namespaced", "-o", "name").split()
    if not kinds:
        return
    found = json.loads(kubectl("get", ",".join(kinds), "-n", namespace, "-o", "json"))["items"]
    for item in found:
        if item["metadata"].get("finalizers"):
            with suppress(KubectlError):  # gone meanwhile
                name = f"{item['kind'].lower()}.{GROUP}/{item['metadata']['name']}"
                kubectl("patch", name, "-n", namespace, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


def delete_namespace(kubectl: Kubectl, namespace: str) -> None:
    """Delete a namespace so that nothing in it can hold it up, without waiting for the end."""
    kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")
    strip_finalizers(kubectl, namespace)
