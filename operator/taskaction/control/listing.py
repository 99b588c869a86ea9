"""Lists over the namespaces that this operator serves, and over no other: their objects are another one's."""

from collections.abc import AsyncIterator, Sequence

from taskaction.cluster.gateway import TASK_ACTIONS, Body, Cluster


async def task_actions(
    cluster: Cluster,
    namespaces: Sequence[str],
    *,
    field_selector: str = "",
    label_selector: str = "",
    metadata_only: bool = False,
) -> AsyncIterator[Body]:
    """Give the TaskActions of ``namespaces``, of all where it is empty, page by page."""
    for namespace in namespaces or ("",):
        found = cluster.list(
            TASK_ACTIONS,
            namespace,
            field_selector=field_selector,
            label_selector=label_selector,
            metadata_only=metadata_only,
        )
        async for body in found:
            yield body
