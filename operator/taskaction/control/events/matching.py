"""Matching of ActionEvents with actions: pure functions of two values."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import orjson

from taskaction.api.action_event import ActionEvent, EventContent, EventScope, EventTarget
from taskaction.api.enums import ProviderKind
from taskaction.control.objects.requests import ProviderKey
from taskaction.lifecycle.decisions import RecordEvent
from taskaction.plugin.base import Delivery
from taskaction.plugin.event_content import EventKey

EventAddress = tuple[str, ...]
"""Index key of an event: the action's uid, its namespace and name, or its external ID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSubject:
    """The properties of an action that events can match.

    Attributes:
        executor: name of the executor, inline or by the provider; empty while it is unknown.
    """

    uid: str
    namespace: str
    name: str
    attempt: int
    provider: ProviderKey | None
    executor: str
    external_id: str | None

    @property
    def places(self) -> tuple[EventAddress, ...]:
        """The addresses of events for this action."""
        known = (uid_address(self.uid), name_address(self.namespace, self.name))
        return known if self.external_id is None else (*known, key_address(self.external_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEvent:
    """A waiting event; its payload is bytes, since thousands may wait.

    Attributes:
        content: the bytes of the body, without ``data``: they are read when the event is delivered.
    """

    uid: str
    name: str
    namespace: str
    target: EventTarget | None
    key: str | None
    scope: EventScope | None
    type: str
    payload: bytes
    sender: str | None
    received_at: datetime
    expires_at: datetime
    content: EventContent | None = None

    @classmethod
    def from_event(cls, event: ActionEvent) -> Self:
        """Return the waiting form of an event."""
        metadata, spec = event.metadata, event.spec
        return cls(
            uid=metadata.uid,
            name=metadata.name,
            namespace=metadata.namespace,
            target=spec.target,
            key=spec.correlation_key,
            scope=spec.scope,
            type=spec.type,
            payload=orjson.dumps(spec.payload),
            sender=spec.sender,
            received_at=spec.received_at or metadata.creation_timestamp,
            expires_at=metadata.creation_timestamp + timedelta(seconds=spec.ttl_seconds),
            content=None if spec.content is None else spec.content.model_copy(update={"data": None}),
        )

    @property
    def place(self) -> EventAddress:
        """The address of the event; a target takes precedence over a key."""
        if self.target is None:
            return key_address(self.key or "")
        if self.target.uid is not None:
            return uid_address(self.target.uid)
        return name_address(self.namespace, self.target.name or "")

    @property
    def is_stored(self) -> bool:
        """Whether the bytes of the body are in the operator's storage."""
        return self.content is not None and self.content.sha256 is not None

    @property
    def content_key(self) -> EventKey:
        """The key of the bytes of the body in the storage."""
        return EventKey(self.namespace, self.name, self.received_at)

    @property
    def delivery(self) -> Delivery:
        """The event as executors receive it."""
        return Delivery(
            id=self.uid,
            type=self.type,
            payload=orjson.loads(self.payload),
            received_at=self.received_at,
            sender=self.sender,
            namespace=self.namespace,
        )

    def is_for(self, subject: EventSubject, shared: str) -> bool:
        """Whether the event is for this action.

        ``shared`` is the operator's own namespace. Events there may be for actions of any namespace, since only the
        operator's processes write there; all others are for actions of their own namespace.
        """
        if self.namespace not in {subject.namespace, shared}:
            return False
        home = self.namespace == subject.namespace
        if self.target is not None:
            named = self.target.name is None or (home and self.target.name == subject.name)
            return named and self.target.uid in ({subject.uid, None} if home else {subject.uid})
        return self.key == subject.external_id and self._is_in_scope(subject, home=home)

    def is_past(self, subject: EventSubject) -> bool:
        """Whether the event is about an earlier attempt."""
        return self.target is not None and self.target.attempt is not None and self.target.attempt < subject.attempt

    def is_early(self, subject: EventSubject) -> bool:
        """Whether the event is about an attempt that this process does not know yet."""
        return self.target is not None and self.target.attempt is not None and self.target.attempt > subject.attempt

    def _is_in_scope(self, subject: EventSubject, *, home: bool) -> bool:
        if self.scope is None:
            return home
        if self.scope.executor is not None:
            return self.scope.executor == subject.executor
        if self.scope.executors is not None:
            return subject.executor in self.scope.executors
        ref = self.scope.provider_ref
        if ref is None:
            return False
        namespace = "" if ref.kind is ProviderKind.CLUSTER_ACTION_PROVIDER else self.namespace
        return subject.provider == (ref.kind, namespace, ref.name)


def ambiguity_event(kept: WaitingEvent) -> RecordEvent:
    """Return the Kubernetes Event for each action that an ambiguous event is for."""
    message = (
        f"an event about external ID {kept.key!r} from {kept.sender or 'an unknown sender'} is not delivered: "
        "actions of several namespaces have this ID, and the event does not say which it is for; use IDs "
        "that the target chooses"
    )
    return RecordEvent(warning=True, reason="EventRefused", message=message)


def uid_address(uid: str) -> EventAddress:
    """Return the address of events that name a uid."""
    return ("uid", uid)


def name_address(namespace: str, name: str) -> EventAddress:
    """Return the address of events that name an action."""
    return ("name", namespace, name)


def key_address(key: str) -> EventAddress:
    """Return the address of events that name an external ID."""
    return ("key", key)
