"""Bodies of status writes; pure."""

from taskaction.api.base import ApiModel
from taskaction.api.metadata import Metadata
from taskaction.cluster.gateway import Body, Resource


def status_body(resource: Resource, metadata: Metadata, version: str, status: ApiModel) -> Body:
    """Return the body that replaces the status of an object, if it still has ``version`` as its resourceVersion."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
            "resourceVersion": version,
        },
        "status": status.to_json(),
    }
