"""Limits of providers as the engine keeps them: what the manager is told, what is on record, what people are shown.

Only the owner of a provider's shard gives out its starts, so that limits are exact with any number of replicas; the use
of a rate is on record in the provider's status before anything is started by it, so that they stay exact when the
owner is gone.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from taskaction.api.provider import ActionProviderStatus
from taskaction.control.objects.background import Background
from taskaction.control.objects.records import Record
from taskaction.control.providers.offers import Offers
from taskaction.control.providers.providers import Offer, ProviderKey, Providers, limits_of
from taskaction.control.task_actions.observe import provider_key
from taskaction.core.clock import Clock
from taskaction.execution.limits import UNLIMITED, TokenBucket
from taskaction.execution.manager import ExecutionManager
from taskaction.execution.pacing import Pace
from taskaction.lifecycle.placement import provider_source

_ROUND_SECONDS = 1.0
_COUNTS_EVERY = timedelta(seconds=5)
_SHOWN_A_ROUND = 20
"""How many waiting actions are shown why in one round: showing must not take from the API server what work needs."""
_LOOKED_AT_A_ROUND = 500
"""How many are looked at for it, the next ones in the next round: there may be 100,000 that are shown already."""


@dataclass(slots=True)
class _Quota:
    """What is known of one provider's limits.

    Attributes:
        until: when the limit that holds its actions is lifted.
        looked_at: how many waiting actions were looked at already, in this pass over them.
    """

    key: ProviderKey
    pace: Pace | None = None
    recording: bool = False
    until: datetime | None = None
    published: datetime | None = None
    looked_at: int = 0


class Quotas:
    """The limits of every provider that this process knows."""

    def __init__(
        self,
        *,
        clock: Clock,
        background: Background,
        providers: Providers,
        offers: Offers,
        manager: ExecutionManager,
        shard_of: Callable[[ProviderKey], int],
        owns: Callable[[int], bool],
        limited: Callable[[str, datetime], bool],
    ) -> None:
        """``limited`` shows an action that it waits for a rate, and until when; False where that is shown already."""
        self._clock = clock
        self._background = background
        self._providers = providers
        self._offers = offers
        self._manager = manager
        self._shard_of = shard_of
        self._owns = owns
        self._limited = limited
        self._quotas: dict[str, _Quota] = {}
        self._news = asyncio.Event()

    def changed(self, key: ProviderKey) -> None:
        """Go by what a provider says now; it came, changed or went."""
        source = provider_source(*key).key
        offer = self._providers.get(key)
        if offer is None:
            self._quotas.pop(source, None)
            self._manager.limit(source, UNLIMITED, None)
            return
        quota = self._quotas.setdefault(source, _Quota(key))
        self._news.set()
        quota.pace = _pace(offer, quota.pace)
        self._manager.limit(source, limits_of(offer.provider.spec), quota.pace)

    def moved(self) -> None:
        """Take note that other numbers of actions may wait and go on than before."""
        if self._quotas:
            self._news.set()

    def taken_over(self, shard: int) -> None:
        """Go on from what former owners have on record; what this process had reserved itself is no more than that."""
        self.moved()
        for source, quota in self._quotas.items():
            offer = self._providers.get(quota.key)
            if offer is not None and quota.pace is not None and self._shard_of(quota.key) == shard:
                quota.pace = _pace(offer, None)
                self._manager.limit(source, limits_of(offer.provider.spec), quota.pace)

    def limited(self, record: Record, until: datetime) -> None:
        """Take note that an action's executor said until when its target's limit is reached."""
        key = provider_key(record.action)
        quota = self._quotas.get(provider_source(*key).key) if key is not None else None
        if quota is not None:
            quota.until = _written(until)
            self._news.set()

    def paced(self, source: str, until: datetime) -> bool:
        """Take note that a provider's rate is used up while actions wait for it; say whether that is news."""
        quota = self._quotas.get(source)
        if quota is None or quota.until == until:
            return False
        quota.until = until
        self._news.set()
        return True

    def unrecorded(self, source: str) -> None:
        """Put further use of a provider's rate on record."""
        quota = self._quotas.get(source)
        if quota is not None and not quota.recording and self._owns(self._shard_of(quota.key)):
            quota.recording = True
            self._background.start(self._record(source, quota), name=f"record the rate of {source}")

    async def run(self) -> None:
        """Keep people informed until cancelled; nothing wakes while there is nothing to tell."""
        while True:
            await self._news.wait()
            await self._clock.sleep(_ROUND_SECONDS)
            self._news.clear()
            for source, quota in list(self._quotas.items()):
                if self._owns(self._shard_of(quota.key)):
                    told = (self._show_waiting(source, quota), self._show_counts(source, quota))
                    if not all(told):
                        self._news.set()

    async def _record(self, source: str, quota: _Quota) -> None:
        """Reserve, then start: a crash in between wastes tokens, and gives none twice."""
        reserved = 0.0

        def reservation(offer: Offer) -> ActionProviderStatus:
            nonlocal reserved
            pace = quota.pace
            assert pace is not None  # noqa: S101 - asked for by the manager, which has it
            recorded = _recorded(offer)
            if recorded not in {0.0, reserved} and recorded > pace.reserved_until:
                pace.taken_over(recorded)  # another owner was at work meanwhile
            now = self._clock.now().timestamp()
            reserved = math.ceil(pace.to_reserve(now, self._manager.waiting(source)) * 1000) / 1000
            return offer.provider.status.model_copy(update={"rate_used_until": datetime.fromtimestamp(reserved, UTC)})

        pace = quota.pace
        try:
            if pace is not None and await self._offers.write(quota.key, reservation) is not None:
                pace.reserved_until = max(pace.reserved_until, reserved)
        finally:
            quota.recording = False
        self._manager.recorded(source)

    def _show_waiting(self, source: str, quota: _Quota) -> bool:
        """Show those that wait for the rate why, the first ones first, and few at a time; say whether none waits."""
        pace, now = quota.pace, self._clock.now()
        if pace is None or pace.bucket.tokens(now.timestamp()) >= 1:
            return pace is None or not self._manager.waiting(source)
        opens = pace.bucket.opens_at(now.timestamp())
        shown, waiting = 0, self._manager.waiting_runs(source)
        first, end = quota.looked_at, quota.looked_at + _LOOKED_AT_A_ROUND
        for place, uid in enumerate(waiting[first:end], start=first):
            at = datetime.fromtimestamp(opens + place * pace.bucket.interval, UTC)
            shown += self._limited(uid, at)
            quota.looked_at = place + 1
            if shown >= _SHOWN_A_ROUND:
                break
        if quota.looked_at >= len(waiting):
            quota.looked_at = 0
        return not waiting

    def _show_counts(self, source: str, quota: _Quota) -> bool:
        """Write what waits and goes on into the provider's status, where it has changed, and not too often.

        Say whether it is written there, and stays so while nothing moves.
        """
        now = self._clock.now()
        offer = self._providers.get(quota.key)
        if offer is None:
            return True
        if quota.until is not None and quota.until <= now:
            quota.until = None

        def counted(offer: Offer) -> ActionProviderStatus:
            return offer.provider.status.model_copy(
                update={
                    "queued": self._manager.waiting(source),
                    "running": self._manager.under_way(source),
                    "rate_limit_reset_at": quota.until,
                }
            )

        if counted(offer) == offer.provider.status:
            return quota.until is None
        if quota.published is None or now - quota.published >= _COUNTS_EVERY:
            quota.published = now
            self._background.start(self._offers.write(quota.key, counted), name=f"count {source}")
        return False


def _pace(offer: Offer, before: Pace | None) -> Pace | None:
    """Give the rate of a provider, with what is used of it: by this owner, or by those before it."""
    limits = offer.provider.spec.limits
    rate = limits.rate if limits is not None else None
    if rate is None:
        return None
    bucket = TokenBucket(interval=rate.per.total_seconds() / rate.requests, burst=rate.burst or rate.requests)
    if before is not None:
        return Pace(replace(bucket, used_until=before.bucket.used_until), before.reserved_until)
    pace = Pace(bucket)
    pace.taken_over(_recorded(offer))
    return pace


def _recorded(offer: Offer) -> float:
    recorded = offer.provider.status.rate_used_until
    return recorded.timestamp() if recorded is not None else 0.0


def _written(moment: datetime) -> datetime:
    """Give a moment as a status keeps it, so that it equals itself when it is read back."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
