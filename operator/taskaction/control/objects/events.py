"""Kubernetes Events for transitions that people act on; best effort, bounded, and never in the way of an action."""

import asyncio
from collections.abc import Callable

from taskaction.api.action_schedule import ActionSchedule
from taskaction.api.base import format_time
from taskaction.api.provider import ActionProvider, ClusterActionProvider, Provider
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import (
    ACTION_PROVIDERS,
    ACTION_SCHEDULES,
    CLUSTER_ACTION_PROVIDERS,
    EVENTS,
    Body,
    Cluster,
    Resource,
)
from taskaction.control.objects.owned import RESOURCES, OwnedObject, kind_of
from taskaction.core.clock import Clock
from taskaction.core.constants import FIELD_MANAGER, MESSAGE_LIMIT_CHARS
from taskaction.core.names import digest, truncate
from taskaction.lifecycle.decisions import RecordEvent

EventSubject = OwnedObject | Provider | ActionSchedule
_LONGEST_NAME = 253 - 33
_OF_CLUSTER = "default"
"""Namespace of Events about objects without one, which Kubernetes determines."""


class EventPoster:
    """Queue of Events that are posted one after the other; drops and counts those that do not fit."""

    def __init__(self, cluster: Cluster, clock: Clock, dropped: Callable[[], None], *, kept: int = 1000) -> None:
        self._cluster = cluster
        self._clock = clock
        self._dropped = dropped
        self._queue: asyncio.Queue[Body] = asyncio.Queue(kept)

    def post(self, about: EventSubject, what: RecordEvent) -> None:
        """Queue an Event about an action, a run, a provider or a schedule."""
        try:
            self._queue.put_nowait(self._build_event(about, what))
        except asyncio.QueueFull:
            self._dropped()

    async def run(self) -> None:
        """Post queued Events until cancelled."""
        while True:
            event = await self._queue.get()
            try:
                await self._cluster.create(EVENTS, event, event["metadata"]["namespace"])
            except ClusterError:
                self._dropped()  # the status says the same; Events are best effort

    def _build_event(self, about: EventSubject, what: RecordEvent) -> Body:
        now = self._clock.now()
        seconds = format_time(now)[:19] + "Z"
        metadata, resource = about.metadata, _resource_of(about)
        unique = digest(f"{metadata.uid}{what.reason}{now.timestamp()}".encode())
        stem = metadata.name[:_LONGEST_NAME].rstrip("-.")  # a cut may leave an ending that names must not have
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{stem}.{unique}", "namespace": metadata.namespace or _OF_CLUSTER},
            "involvedObject": {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "name": metadata.name,
                "namespace": metadata.namespace,
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
            },
            "type": "Warning" if what.warning else "Normal",
            "reason": str(what.reason),
            "message": truncate(what.message, MESSAGE_LIMIT_CHARS),
            "source": {"component": FIELD_MANAGER},
            "firstTimestamp": seconds,
            "lastTimestamp": seconds,
            "count": 1,
        }


def _resource_of(about: EventSubject) -> Resource:
    if isinstance(about, ActionSchedule):
        return ACTION_SCHEDULES
    if isinstance(about, ActionProvider):
        return ACTION_PROVIDERS
    return CLUSTER_ACTION_PROVIDERS if isinstance(about, ClusterActionProvider) else RESOURCES[kind_of(about)]
