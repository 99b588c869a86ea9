"""Loading of the bytes of events, which are not kept in memory while they wait."""

from dataclasses import replace
from typing import Any

import orjson

from taskaction.api.action_event import ActionEvent
from taskaction.api.reasons import Reason
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import ACTION_EVENTS, Cluster
from taskaction.control.events.dispatcher import EventDispatcher
from taskaction.control.events.matching import WaitingEvent
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.records import ActionRecord
from taskaction.lifecycle.decisions import RecordEvent
from taskaction.plugin.base import Delivery
from taskaction.plugin.event_content import ContentLostError, EventContents
from taskaction.plugin.storage import StorageError


class ContentReader:
    """Reader of the bytes of events, when they are delivered."""

    def __init__(
        self, cluster: Cluster, contents: EventContents, dispatcher: EventDispatcher, events: EventPoster
    ) -> None:
        self._cluster = cluster
        self._contents = contents
        self._dispatcher = dispatcher
        self._events = events

    async def complete(self, record: ActionRecord, deliveries: tuple[Delivery, ...]) -> tuple[Delivery, ...]:
        """Return the deliveries with their bytes; one whose bytes cannot be read now is delivered later.

        A delivery whose bytes are lost says so, and an Event on the action, too.
        """
        found = [await self._complete(record, delivery) for delivery in deliveries]
        return tuple(delivery for delivery in found if delivery is not None)

    async def _complete(self, record: ActionRecord, delivery: Delivery) -> Delivery | None:
        kept = self._dispatcher.find_waiting(delivery.id)
        if kept is None or kept.content is None:
            return delivery
        try:
            return _with_content(delivery, await self._read(kept))
        except ContentLostError as error:
            self._events.post(record.action, RecordEvent(warning=True, reason=Reason.DELIVERY_LOST, message=str(error)))
            return replace(delivery, problem=str(error))
        except (ClusterError, StorageError) as error:
            if self._dispatcher.postpone(record, delivery.id):
                message = f"{error}; the delivery is repeated"
                self._events.post(
                    record.action, RecordEvent(warning=True, reason=Reason.STORAGE_UNAVAILABLE, message=message)
                )
            return None

    async def _read(self, kept: WaitingEvent) -> bytes:
        body = await self._cluster.get(ACTION_EVENTS, kept.name, kept.namespace)
        if body is None or body["metadata"]["uid"] != kept.uid:
            raise ContentLostError(f"ActionEvent {kept.namespace}/{kept.name} was deleted before its delivery")
        content = ActionEvent.from_body(body).spec.content
        if content is None:
            raise ContentLostError(f"ActionEvent {kept.namespace}/{kept.name} has no content any more")
        return await self._contents.read(kept.content_key, content)


def _with_content(delivery: Delivery, content: bytes) -> Delivery:
    payload: dict[str, Any] = dict(delivery.payload)
    if "body" not in payload:
        try:
            payload["body"] = orjson.loads(content)
        except orjson.JSONDecodeError:
            payload["body"] = None  # the inbox accepts JSON only; others may write anything
    return replace(delivery, payload=payload, content=content)
