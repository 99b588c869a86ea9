"""Limits of providers: applies them in the execution manager, records the used rate, and shows them in statuses.

Only the owner of a provider's shard starts its actions, so limits are exact with any number of replicas. The status of
the provider records the use of a rate before anything is started by it, so limits stay exact after a change of owner.
"""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from taskaction.api.provider import ActionProviderStatus
from taskaction.control.objects.background import Background
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import ProviderKey, Requests, provider_key
from taskaction.control.objects.tables import ActionTable
from taskaction.control.providers.execution_events import ExecutionEvents
from taskaction.control.providers.offers import ProviderIntake
from taskaction.control.providers.providers import Offer, ProviderTable, limits_of
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.clock import Clock
from taskaction.core.names import shard_of
from taskaction.execution.limits import UNLIMITED, TokenBucket
from taskaction.execution.manager import ExecutionManager
from taskaction.execution.pacing import Pace
from taskaction.lifecycle.deadlines import add_seconds
from taskaction.lifecycle.placement import provider_source

_ROUND_SECONDS = 1.0
_COUNTS_EVERY = timedelta(seconds=5)
_SHOWN_A_ROUND = 20
"""Maximum number of waiting actions whose status is updated in one round, to leave the API server to real work."""
_LOOKED_AT_A_ROUND = 500
"""Maximum number of waiting actions examined in one round: 100,000 actions may have an up-to-date status already."""


@dataclass(slots=True)
class _ProviderQuota:
    """Limits and use of one provider.

    Attributes:
        until: when the limit that holds its actions is lifted.
        looked_at: number of waiting actions that were examined in this pass.
    """

    key: ProviderKey
    pace: Pace | None = None
    recording: bool = False
    until: datetime | None = None
    published: datetime | None = None
    looked_at: int = 0


class RateRecorder(Protocol):
    """Recorder of used up rates."""

    def on_rate_exhausted(self, source: str, until: datetime) -> None:
        """Record that the rate of a source is used up."""

    def on_task_failed(self, task: str, error: BaseException) -> None:
        """Record that something failed that others do not depend on."""


class ProviderQuotas:
    """Limits of every provider that this process knows."""

    def __init__(
        self,
        *,
        clock: Clock,
        background: Background,
        providers: ProviderTable,
        offers: ProviderIntake,
        manager: ExecutionManager,
        events: ExecutionEvents,
        recorder: RateRecorder,
        table: ActionTable,
        tenures: ShardTenures,
        requests: Requests,
    ) -> None:
        """Create the table; it requests reconciliation of the actions that wait for a rate limit."""
        self._clock = clock
        self._background = background
        self._providers = providers
        self._offers = offers
        self._manager = manager
        self._events = events
        self._recorder = recorder
        self._table = table
        self._tenures = tenures
        self._requests = requests
        self._quotas: dict[str, _ProviderQuota] = {}

    def on_provider_changed(self, key: ProviderKey) -> None:
        """Apply the limits of a provider that was created, changed or deleted."""
        source = provider_source(*key).key
        offer = self._providers.get(key)
        if offer is None:
            self._quotas.pop(source, None)
            self._manager.set_limits(source, UNLIMITED, None)
            return
        quota = self._quotas.setdefault(source, _ProviderQuota(key))
        self._events.counts_changed.set()
        quota.pace = _build_pace(offer, quota.pace)
        self._manager.set_limits(source, limits_of(offer.provider.spec), quota.pace)

    def on_shard_acquired(self, shard: int) -> None:
        """Continue from the recorded use of former owners; it includes this process's own reservations."""
        self._events.counts_changed.set()
        for source, quota in self._quotas.items():
            offer = self._providers.get(quota.key)
            is_in_shard = shard_of(provider_source(*quota.key).key, self._tenures.shards) == shard
            if offer is not None and quota.pace is not None and is_in_shard:
                quota.pace = _build_pace(offer, None)
                self._manager.set_limits(source, limits_of(offer.provider.spec), quota.pace)

    def on_target_limited(self, record: ActionRecord, until: datetime) -> None:
        """Record until when an executor says that its target's limit is reached."""
        key = provider_key(record.action)
        quota = self._quotas.get(provider_source(*key).key) if key is not None else None
        if quota is not None:
            quota.until = _truncate_to_milliseconds(until)
            self._events.counts_changed.set()

    def on_source_changed(self, source: str) -> None:
        """Reserve further use of a provider's rate in its status, or show that the rate is used up."""
        until, unreserved = self._events.take_exhausted(source), self._events.take_unreserved(source)
        quota = self._quotas.get(source)
        if quota is None:
            return
        if until is not None and until != quota.until:
            quota.until = until
            self._events.counts_changed.set()
            self._recorder.on_rate_exhausted(source, until)
        if unreserved and not quota.recording and self._owns(quota):
            quota.recording = True
            self._background.start(self._record_reservation(source, quota), name=f"record the rate of {source}")

    async def run(self) -> None:
        """Update the statuses until cancelled; sleep while nothing changes."""
        while True:
            await self._events.counts_changed.wait()
            await self._clock.sleep(_ROUND_SECONDS)
            self._events.counts_changed.clear()
            for source, quota in list(self._quotas.items()):
                if self._owns(quota) and not self._show(source, quota):
                    self._events.counts_changed.set()

    def _show(self, source: str, quota: _ProviderQuota) -> bool:
        """Show waits and counts of one provider; return whether everything is shown."""
        try:
            return all((self._show_waiting(source, quota), self._show_counts(source, quota)))
        except Exception as error:  # noqa: BLE001 - one provider must not stop the others
            self._recorder.on_task_failed(f"show the limits of {source}", error)
            return True

    async def _record_reservation(self, source: str, quota: _ProviderQuota) -> None:
        """Reserve first, then start: a crash in between wastes tokens, but uses none twice."""
        reserved = 0.0

        def reservation(offer: Offer) -> ActionProviderStatus:
            nonlocal reserved
            pace = quota.pace
            assert pace is not None  # noqa: S101 - the manager asks only for providers with a rate
            recorded = _recorded_use(offer)
            if recorded not in {0.0, reserved} and recorded > pace.reserved_until:
                pace.take_over(recorded)  # another owner started actions meanwhile
            now = self._clock.now().timestamp()
            waiting = self._manager.waiting_count(source) + self._manager.preparing_count(source)
            reserved = math.ceil(pace.next_reservation(now, waiting) * 1000) / 1000
            return offer.provider.status.model_copy(update={"rate_used_until": datetime.fromtimestamp(reserved, UTC)})

        pace = quota.pace
        try:
            if pace is not None and await self._offers.write_status(quota.key, reservation) is not None:
                pace.reserved_until = max(pace.reserved_until, reserved)
        finally:
            quota.recording = False
        self._manager.on_reservation_recorded(source)

    def _show_waiting(self, source: str, quota: _ProviderQuota) -> bool:
        """Show in a few waiting actions at a time that they wait for the rate; return whether none waits."""
        pace, now = quota.pace, self._clock.now()
        if pace is None or pace.bucket.available_tokens(now.timestamp()) >= 1:
            return pace is None or not self._manager.waiting_count(source)
        opens = pace.bucket.next_start_at(now.timestamp())
        shown, waiting = 0, self._manager.waiting_runs(source)
        first, end = quota.looked_at, quota.looked_at + _LOOKED_AT_A_ROUND
        for place, uid in enumerate(waiting[first:end], start=first):
            at = add_seconds(now, opens - now.timestamp() + place * pace.bucket.interval)
            shown += self._show_limit(uid, at)
            quota.looked_at = place + 1
            if shown >= _SHOWN_A_ROUND:
                break
        if quota.looked_at >= len(waiting):
            quota.looked_at = 0
        return not waiting

    def _show_limit(self, uid: str, until: datetime) -> bool:
        """Show in an action until when it waits for the rate; return False if that is shown already."""
        record = self._table.get(uid)
        if record is None or (record.limited_until is not None and record.limited_until > self._clock.now()):
            return False
        record.limit_until(until)
        self._requests.reconcile(record)
        return True

    def _owns(self, quota: _ProviderQuota) -> bool:
        return self._tenures.owns_key(provider_source(*quota.key).key)

    def _show_counts(self, source: str, quota: _ProviderQuota) -> bool:
        """Write the counts into the provider's status if they changed, but not too often.

        Return whether the status is up to date and stays so while no count changes.
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
                    "queued": self._manager.waiting_count(source),
                    "running": self._manager.under_way_count(source),
                    "rate_limit_reset_at": quota.until,
                }
            )

        if counted(offer) == offer.provider.status:
            return quota.until is None
        if quota.published is None or now - quota.published >= _COUNTS_EVERY:
            quota.published = now
            self._background.start(self._offers.write_status(quota.key, counted), name=f"count {source}")
        return False


def _build_pace(offer: Offer, before: Pace | None) -> Pace | None:
    """Return the rate of a provider with its recorded use, by this or former owners."""
    limits = offer.provider.spec.limits
    rate = limits.rate if limits is not None else None
    if rate is None:
        return None
    bucket = TokenBucket(interval=rate.per.total_seconds() / rate.requests, burst=rate.burst or rate.requests)
    if before is not None:
        return Pace(replace(bucket, used_until=before.bucket.used_until), before.reserved_until)
    pace = Pace(bucket)
    pace.take_over(_recorded_use(offer))
    return pace


def _recorded_use(offer: Offer) -> float:
    recorded = offer.provider.status.rate_used_until
    return recorded.timestamp() if recorded is not None else 0.0


def _truncate_to_milliseconds(moment: datetime) -> datetime:
    """Return the time with the precision of a status, so that it equals the value that is read back."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
