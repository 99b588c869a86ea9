"""Kubernetes Events about an action or run."""

from taskaction.api.bodies import at
from taskaction.api.timeline import TimelineEntry, merge_entries
from taskaction.cluster.errors import ForbiddenError
from taskaction.cluster.gateway import EVENTS, Body, Cluster


async def read_events(cluster: Cluster, body: Body) -> list[TimelineEntry]:
    """Return the Kubernetes Events of an object; none if the user may not read them."""
    selector = f"involvedObject.uid={body['metadata']['uid']}"
    try:
        found = [one async for one in cluster.list(EVENTS, body["metadata"]["namespace"], field_selector=selector)]
    except ForbiddenError:
        return []
    return merge_entries(
        TimelineEntry(
            one.get("eventTime") or one.get("lastTimestamp") or at(one, "metadata.creationTimestamp", ""),
            str(one.get("reason", "")),
            str(one.get("message", "")),
        )
        for one in found
    )
