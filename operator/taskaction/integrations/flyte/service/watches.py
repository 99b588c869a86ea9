"""Watches of clients, served from the cache without requests to the API server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_pb2 import WatchForUpdatesResponse
from flyteidl2.common.identifier_pb2 import RunIdentifier

from taskaction.core.clock import Clock
from taskaction.integrations.flyte.service.action_cache import ActionCache, Subscription
from taskaction.integrations.flyte.service.answers import AnswerReader
from taskaction.integrations.flyte.service.places import ActionKey
from taskaction.integrations.flyte.service.updates import HEARTBEAT, SENTINEL, to_update
from taskaction.plugin.storage import StorageError


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateWatchSettings:
    """Bounds of watches.

    Attributes:
        age: seconds after which a client must connect again.
        heartbeat: seconds without a change after which a watch sends a heartbeat.
        batch: maximum number of changes that are sent before other watches have their turn.
        limit: maximum number of concurrent watches.
    """

    age: float
    heartbeat: float
    batch: int
    limit: int


class Watches:
    """Server of watches until the service stops."""

    def __init__(
        self,
        cache: ActionCache,
        clock: Clock,
        settings: UpdateWatchSettings,
        answers: AnswerReader,
        told: Callable[[float], None] = lambda _: None,
    ) -> None:
        """``told`` is given how many seconds the oldest change of each batch has waited."""
        self._cache = cache
        self._clock = clock
        self._settings = settings
        self._answers = answers
        self._on_changes_sent = told
        self._is_stopping = False

    def stop(self) -> None:
        """End every watch so that its client connects again, elsewhere."""
        self._is_stopping = True
        self._cache.end_watches()

    async def follow(
        self, parent: ActionKey, run: RunIdentifier, patience: float | None = None
    ) -> AsyncIterator[WatchForUpdatesResponse]:
        """Yield the present state, a sentinel, and every change; end with UNAVAILABLE, since OK stops clients for good.

        After ``patience`` seconds, which the client has set, end with DEADLINE_EXCEEDED.
        """
        if self._cache.watches >= self._settings.limit:
            raise ConnectError(Code.RESOURCE_EXHAUSTED, "too many concurrent watches; retry later")
        subscription = self._cache.subscribe(parent, self._clock.monotonic)
        age = self._settings.age
        until = self._clock.monotonic() + (age if patience is None else min(age, patience))
        try:
            for known in self._cache.children(parent):
                subscription.put(known)
            async for response in self._responses(subscription, run, until, until_empty=True):
                yield response
            yield SENTINEL
            async for response in self._responses(subscription, run, until, until_empty=False):
                yield response
        finally:
            self._cache.unsubscribe(subscription)
        if patience is not None and patience <= age and not self._is_stopping:
            raise ConnectError(Code.DEADLINE_EXCEEDED, "the deadline that the client set for the watch has passed")
        raise ConnectError(
            Code.UNAVAILABLE, "the watch has reached its maximum age, or the service is stopping; connect again"
        )

    async def _responses(
        self, subscription: Subscription, run: RunIdentifier, until: float, *, until_empty: bool
    ) -> AsyncIterator[WatchForUpdatesResponse]:
        unread: StorageError | None = None
        while not self._is_stopping and self._clock.monotonic() < until:
            since, found = subscription.since, subscription.take(self._settings.batch)
            if found:
                self._on_changes_sent(self._clock.monotonic() - since)
            for known in found:
                try:
                    complete = await self._answers.complete(known)
                except StorageError as error:  # the client gets it when it connects again, and the others now
                    unread = error
                    continue
                yield to_update(complete, run)
            if not found and unread is not None:
                raise ConnectError(Code.UNAVAILABLE, f"an answer cannot be read now: {unread}; connect again")
            if found:
                await asyncio.sleep(0)
            elif until_empty:
                return
            elif not await self._wait_for_change(subscription, until):
                yield HEARTBEAT

    async def _wait_for_change(self, subscription: Subscription, until: float) -> bool:
        patience = min(self._settings.heartbeat, until - self._clock.monotonic())
        try:
            await asyncio.wait_for(subscription.wait(), patience)
        except TimeoutError:
            return False
        return True
