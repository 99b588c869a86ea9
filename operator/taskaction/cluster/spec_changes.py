"""Changes of one mutable field of an action or run, as people make them: abort, signal, suspend, resume."""

from typing import Any

from taskaction.cluster.errors import ConflictError, NotFoundError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body, Cluster, Resource

_TRIES = 5
_KINDS = {kind.kind: kind for kind in (TASK_ACTIONS, ACTION_FLOW_RUNS)}


async def set_spec_field(cluster: Cluster, body: Body, field: str, value: Any, *, again: bool = False) -> bool:
    """Set a field of the spec; return False if it is already set and may not be set ``again``.

    Raises:
        NotFoundError: the object was deleted in the meantime.
        ConflictError: it was created again, or too many others change it.
        ClusterError: the API server refuses, or does not answer.
    """
    resource, metadata = _KINDS[body["kind"]], body["metadata"]
    name, namespace, uid = metadata["name"], metadata["namespace"], metadata["uid"]
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "add", "path": f"/spec/{field}", "value": value},
    ]
    one = _name(resource, name)
    for _ in range(_TRIES):
        if not again and body["spec"].get(field) is not None:
            return False
        try:
            await cluster.patch(resource, name, namespace, operations)
        except ConflictError:
            found = await cluster.get(resource, name, namespace)
            if found is None:
                raise NotFoundError(f"{one} was deleted in the meantime") from None
            if found["metadata"]["uid"] != uid:
                raise ConflictError(f"{one} was deleted and created again in the meantime") from None
            body = found
        else:
            return True
    raise ConflictError(f"{one}: too many conflicting writes; retry")


def _name(resource: Resource, name: str) -> str:
    return f"{resource.kind.lower()}.{resource.group}/{name}"
