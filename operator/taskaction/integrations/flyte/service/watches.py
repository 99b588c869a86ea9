"""Watches of clients, served from the cache without requests to the API server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_pb2 import WatchForUpdatesResponse
from flyteidl2.common.identifier_pb2 import RunIdentifier

from taskaction.core.clock import Clock
from taskaction.integrations.flyte.service.action_cache import ActionCache, CachedAction, Subscription
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
        stored: dict[str, CachedAction] = {}
        age = self._settings.age
        until = self._clock.monotonic() + (age if patience is None else min(age, patience))
        try:
            for known in self._cache.children(parent):
                subscription.put(known)
            async for response in self._responses(subscription, stored, run, until, until_empty=True):
                yield response
            yield SENTINEL
            async for response in self._responses(subscription, stored, run, until, until_empty=False):
                yield response
        finally:
            self._cache.unsubscribe(subscription)
        if patience is not None and patience <= age and not self._is_stopping:
            raise ConnectError(Code.DEADLINE_EXCEEDED, "the deadline that the client set for the watch has passed")
        raise ConnectError(
            Code.UNAVAILABLE, "the watch has reached its maximum age, or the service is stopping; connect again"
        )

    async def _responses(
        self,
        subscription: Subscription,
        stored: dict[str, CachedAction],
        run: RunIdentifier,
        until: float,
        *,
        until_empty: bool,
    ) -> AsyncIterator[WatchForUpdatesResponse]:
        """Yield what the subscription has, and then the states in ``stored``, whose answers must be read first.

        If an answer cannot be read, return with it in ``stored`` if ``until_empty``; otherwise raise UNAVAILABLE.
        """
        while not self._is_stopping and self._clock.monotonic() < until:
            since, found = subscription.since, subscription.take(self._settings.batch)
            ready, unread = self._set_aside(found, stored), None
            if found:
                self._on_changes_sent(self._clock.monotonic() - since)
            elif stored:
                ready, unread = await self._read_answers(stored)
            elif until_empty:
                return
            elif not await self._wait_for_change(subscription, until):
                yield HEARTBEAT
            for known in ready:
                yield to_update(known, run)
            if unread is not None and until_empty:
                return
            if unread is not None:  # the client gets it when it connects again
                raise ConnectError(Code.UNAVAILABLE, f"an answer cannot be read now: {unread}; connect again")
            await asyncio.sleep(0)

    def _set_aside(self, found: list[CachedAction], stored: dict[str, CachedAction]) -> list[CachedAction]:
        """Move the states whose answers must be read to ``stored``, in place of older ones; return the others."""
        for known in found:
            stored.pop(known.place.name, None)
            if self._answers.must_read(known):
                stored[known.place.name] = known
        return [known for known in found if known.place.name not in stored]

    async def _read_answers(self, stored: dict[str, CachedAction]) -> tuple[list[CachedAction], StorageError | None]:
        """Remove states from ``stored`` and return them with their answers, and the error if one cannot be read."""
        names = list(stored)[: self._settings.batch]
        results = await asyncio.gather(
            *(self._answers.complete(stored[name]) for name in names), return_exceptions=True
        )
        complete: list[CachedAction] = []
        unread: StorageError | None = None
        for name, result in zip(names, results, strict=True):
            if isinstance(result, StorageError):
                unread = result
            elif isinstance(result, BaseException):
                raise result
            else:
                del stored[name]
                complete.append(result)
        return complete, unread

    async def _wait_for_change(self, subscription: Subscription, until: float) -> bool:
        patience = min(self._settings.heartbeat, until - self._clock.monotonic())
        try:
            await asyncio.wait_for(subscription.wait(), patience)
        except TimeoutError:
            return False
        return True
