"""Notices about events that match no action: a request was accepted, and nothing came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from taskaction.api.enums import ProviderKind
from taskaction.api.provider import Provider
from taskaction.api.reasons import Reason
from taskaction.control.events.matching import WaitingEvent
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.requests import ProviderKey
from taskaction.core.clock import Clock
from taskaction.core.names import truncate
from taskaction.lifecycle.decisions import RecordEvent

UNMATCHED_AFTER = timedelta(seconds=60)
"""Age at which an event that matches no action is reported; it waits until it expires."""

_PAUSE = timedelta(minutes=10)
_SHOWN_CHARS = 64


class UnmatchedRecorder(Protocol):
    """Recorder of events that match no action."""

    def on_event_unmatched(self, kind: str, **fields: object) -> None:
        """Record that an event matches no action; ``kind`` is what named the action."""


@dataclass(slots=True)
class _Notices:
    """Events of one provider since its last notice."""

    again: datetime
    count: int = 0


class UnmatchedEvents:
    """Recorder and poster; a provider gets at most one Event in ten minutes, because a sender may be about others."""

    def __init__(
        self,
        clock: Clock,
        provider_of: Callable[[ProviderKey], Provider | None],
        events: EventPoster,
        journal: UnmatchedRecorder,
    ) -> None:
        self._clock = clock
        self._provider_of = provider_of
        self._events = events
        self._journal = journal
        self._notices: dict[ProviderKey, _Notices] = {}

    def report(self, kept: WaitingEvent) -> None:
        """Report an event: by a metric and the log, and by an Event of the provider that it is for."""
        key = _provider_key(kept)
        self._journal.on_event_unmatched(
            _kind_of(kept), action_event=kept.name, namespace=kept.namespace, sender=kept.sender, external_id=kept.key
        )
        provider = self._provider_of(key) if key is not None else None
        if key is None or provider is None:
            return
        now = self._clock.now()
        if key not in self._notices:
            self._notices = {
                known: told for known, told in self._notices.items() if self._provider_of(known) is not None
            }
        notices = self._notices.setdefault(key, _Notices(again=now))
        notices.count += 1
        if now < notices.again:
            return
        shown = truncate(kept.key or "", _SHOWN_CHARS)
        message = (
            f"{notices.count} webhook requests match no action of this provider, the last with external id {shown!r}: "
            "check webhook.externalIdPath, and let webhook.filter pass only requests about actions"
        )
        self._events.post(provider, RecordEvent(warning=True, reason=Reason.WEBHOOK_UNMATCHED, message=message))
        self._notices[key] = _Notices(again=now + _PAUSE)


def _kind_of(kept: WaitingEvent) -> str:
    if kept.target is not None:
        return "target"
    if kept.scope is None:
        return "namespace"
    return "executor" if kept.scope.provider_ref is None else "provider"


def _provider_key(kept: WaitingEvent) -> ProviderKey | None:
    ref = kept.scope.provider_ref if kept.scope is not None and kept.target is None else None
    if ref is None:
        return None
    return ref.kind, "" if ref.kind is ProviderKind.CLUSTER_ACTION_PROVIDER else kept.namespace, ref.name
