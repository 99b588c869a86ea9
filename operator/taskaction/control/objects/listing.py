"""Lists over the namespaces that this operator serves; objects in other namespaces belong to other operators."""

from collections.abc import AsyncIterator, Sequence

from taskaction.cluster.gateway import Body, Cluster, Resource


async def list_objects(
    cluster: Cluster,
    resource: Resource,
    namespaces: Sequence[str],
    *,
    field_selector: str = "",
    label_selector: str = "",
    metadata_only: bool = False,
) -> AsyncIterator[Body]:
    """Iterate over the objects of ``namespaces``, page by page; an empty sequence means all namespaces."""
    for namespace in (namespaces if resource.namespaced else ()) or ("",):
        found = cluster.list(
            resource,
            namespace,
            field_selector=field_selector,
            label_selector=label_selector,
            metadata_only=metadata_only,
        )
        async for body in found:
            yield body


async def list_uids(cluster: Cluster, resource: Resource, namespaces: Sequence[str]) -> set[str]:
    """Return the uids of all objects of a kind in ``namespaces``."""
    return {body["metadata"]["uid"] async for body in list_objects(cluster, resource, namespaces, metadata_only=True)}
