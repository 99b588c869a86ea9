"""Keeper of the watch's scope: all actions before a shard is acquired, and only the needed ones while nothing moves."""

from collections.abc import Callable

from taskaction.control.objects.background import Background
from taskaction.control.objects.requests import ProviderKey
from taskaction.control.sharding.scope import WatchScope
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.control.task_actions.intake import ActionIntake
from taskaction.control.task_actions.relevance import ActionRelevance
from taskaction.core.clock import Clock

SETTLED_SECONDS = 3.0
"""Time without a wish for more shards after which the actions of other replicas are left out."""


class ScopeKeeper:
    """Keeper of the scope; it follows what the leases want."""

    def __init__(
        self,
        *,
        clock: Clock,
        background: Background,
        scope: WatchScope,
        tenures: ShardTenures,
        relevance: ActionRelevance,
        intake: ActionIntake,
    ) -> None:
        self._clock = clock
        self._background = background
        self._scope = scope
        self._tenures = tenures
        self._relevance = relevance
        self._intake = intake
        self._is_listing = False
        self._on_ready: Callable[[], None] = lambda: None
        self._reduce_at = clock.monotonic() + SETTLED_SECONDS

    def is_ready_to_acquire(self, on_ready: Callable[[], None]) -> bool:
        """Whether this replica knows the actions of every shard.

        Otherwise it lists them, and calls ``on_ready`` when they are known.
        """
        self._reduce_at = self._clock.monotonic() + SETTLED_SECONDS
        if not self._scope.is_complete:
            self._on_ready = on_ready
            self._catch_up()
        return self._scope.is_complete

    def on_share_held(self) -> None:
        """Leave out the actions of other replicas when nothing has moved for a while; repeat a list that failed."""
        is_settled = self._clock.monotonic() >= self._reduce_at
        if self._scope.is_reduced:
            return
        if not self._scope.is_complete:
            self._catch_up()
        elif is_settled and self._tenures.held_count < self._tenures.shards:
            self._scope.reduce()

    def on_provider_changed(self, key: ProviderKey) -> None:
        """List all actions again if those of a provider may have moved to shards of this replica."""
        if self._relevance.on_provider_changed(key) and self._scope.is_reduced:
            self._catch_up()

    def _catch_up(self) -> None:
        """List what was left out; after a failure, the next call starts again."""
        self._scope.expand()  # first: the list shows what changed until now, and the watch what changes from now on
        if not self._is_listing:
            self._is_listing = True
            self._background.start(self._list(), name="list the actions of all shards")

    async def _list(self) -> None:
        try:
            await self._intake.list_unknown()
            self._scope.complete()
            self._on_ready()
        finally:
            self._is_listing = False
