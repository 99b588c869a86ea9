"""One watch after another, from what is known and without a question to the API server; decides nothing of actions."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_pb2 import WatchForUpdatesResponse
from flyteidl2.common.identifier_pb2 import RunIdentifier

from taskaction.core.clock import Clock
from taskaction.integrations.flyte.service.action_cache import Mirror, Subscription
from taskaction.integrations.flyte.service.places import Place
from taskaction.integrations.flyte.service.updates import HEARTBEAT, SENTINEL, update_of


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """Bounds of watches.

    Attributes:
        age: seconds after which a client is sent away to connect again.
        heartbeat: seconds without a change after which a watch says that it is there.
        batch: changes that are sent before others have their turn.
        limit: watches at a time.
    """

    age: float
    heartbeat: float
    batch: int
    limit: int


class Watches:
    """Serves watches until the service stops."""

    def __init__(
        self, mirror: Mirror, clock: Clock, settings: WatchSettings, told: Callable[[float], None] = lambda _: None
    ) -> None:
        """``told`` is given how many seconds the oldest change of each batch has waited."""
        self._mirror = mirror
        self._clock = clock
        self._settings = settings
        self._told = told
        self._is_stopping = False

    def stop(self) -> None:
        """End every watch so that its client connects again, elsewhere."""
        self._is_stopping = True
        self._mirror.end_watches()

    async def follow(
        self, parent: Place, run: RunIdentifier, patience: float | None = None
    ) -> AsyncIterator[WatchForUpdatesResponse]:
        """Give what there is, a sentinel, and every change; ends with UNAVAILABLE, since clients take OK for good.

        After ``patience`` seconds, which the client has set, it ends with DEADLINE_EXCEEDED.
        """
        if self._mirror.watches >= self._settings.limit:
            raise ConnectError(Code.RESOURCE_EXHAUSTED, "too many watches at a time; try again later")
        subscription = self._mirror.subscribe(parent, self._clock.monotonic)
        age = self._settings.age
        until = self._clock.monotonic() + (age if patience is None else min(age, patience))
        try:
            for known in self._mirror.children(parent):
                subscription.put(known)
            async for response in self._sent(subscription, run, until, until_empty=True):
                yield response
            yield SENTINEL
            async for response in self._sent(subscription, run, until, until_empty=False):
                yield response
        finally:
            self._mirror.unsubscribe(subscription)
        if patience is not None and patience <= age and not self._is_stopping:
            raise ConnectError(Code.DEADLINE_EXCEEDED, "the watch has lasted as long as its client allows")
        raise ConnectError(Code.UNAVAILABLE, "the watch has come to its age, or the service stops: connect again")

    async def _sent(
        self, subscription: Subscription, run: RunIdentifier, until: float, *, until_empty: bool
    ) -> AsyncIterator[WatchForUpdatesResponse]:
        while not self._is_stopping and self._clock.monotonic() < until:
            since, found = subscription.since, subscription.take(self._settings.batch)
            if found:
                self._told(self._clock.monotonic() - since)
            for known in found:
                yield update_of(known, run)
            if found:
                await asyncio.sleep(0)
            elif until_empty:
                return
            elif not await self._news(subscription, until):
                yield HEARTBEAT

    async def _news(self, subscription: Subscription, until: float) -> bool:
        patience = min(self._settings.heartbeat, until - self._clock.monotonic())
        try:
            await asyncio.wait_for(subscription.wait(), patience)
        except TimeoutError:
            return False
        return True
