"""Shards that this process owns, for those who decide whether they may act; acquires and releases nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from math import inf

from taskaction.cluster.gateway import Body
from taskaction.control.sharding import lease_bodies
from taskaction.control.sharding.clock_guard import ClockGuard
from taskaction.core.clock import Clock
from taskaction.core.names import shard_of

_LEAST_SEEN_SECONDS = 10.0
"""Time after which a shard that was neither written nor listed may be somebody else's: of a replica that judges by its
Lease, which lasts for 15 s or longer. A longer renew deadline counts instead, since such a Lease lasts longer."""


@dataclass(slots=True)
class ShardTenure:
    """One shard as its owner knows it.

    Attributes:
        written: when the last write of its Lease was sent, by the monotonic clock.
        seen: when the last write was sent, or the last list that had the Lease as this process knows it.
        is_sure: whether the shard was this process's own after the Lease of the replica was last created or revived.
        highest_claim: the highest epoch that was seen in a claim; nothing may start below it.
    """

    shard: int
    epoch: int
    written: float
    lease: Body
    seen: float = -inf
    is_sure: bool = True
    highest_claim: int = 0

    def __post_init__(self) -> None:
        self.seen = max(self.seen, self.written)

    def renew(self, lease: Body, sent: float) -> None:
        """Record a write of the Lease that was sent at ``sent``: nobody else has taken the shard."""
        self.lease, self.written, self.is_sure = lease, sent, True
        self.see(sent)

    def see(self, sent: float) -> None:
        """Record that a list that was sent at ``sent`` had the Lease as this process knows it."""
        self.seen = max(self.seen, sent)

    def doubt(self) -> None:
        """Record that others may take the shard, because the Lease of the replica was lost."""
        self.is_sure = False

    def raise_epoch(self, epoch: int, lease: Body, sent: float) -> None:
        """Record that the Lease was acquired again, under a higher epoch."""
        self.epoch = epoch
        self.renew(lease, sent)

    @property
    def is_epoch_too_low(self) -> bool:
        """Whether the API server refuses the claims of this epoch."""
        return self.epoch < self.highest_claim

    def set_lease(self, lease: Body) -> None:
        """Record the Lease as it was read."""
        self.lease = lease


class ShardTenures:
    """Shards that this process owns, and those that leave it as soon as they are at rest.

    Attributes:
        clock_guard: judge of the wall clock; nothing may start while it is wrong.
    """

    def __init__(self, clock: Clock, *, shards: int, renew_deadline: float) -> None:
        """Create a table; a holder may start an effect until ``renew_deadline`` seconds after its last renewal.

        The replica renews all its shards at once, by the one Lease of its own.
        """
        self.shards = shards
        self._clock = clock
        self._renew_deadline = renew_deadline
        self._seen_seconds = max(renew_deadline, _LEAST_SEEN_SECONDS)
        self.clock_guard = ClockGuard(clock)
        self._renewed = -inf
        self._is_each_watched = False
        self._owned: dict[int, ShardTenure] = {}
        self._leaving: dict[int, ShardTenure] = {}
        self._held: set[int] = set()  # changes in one step, unlike the two tables: kopf reads it in its thread

    # -- questions ----------------------------------------------------------------------------------------------------

    @property
    def held_count(self) -> int:
        """Number of shards that this process owns, including leaving ones."""
        return len(self._held)

    @property
    def owned(self) -> list[int]:
        """The owned shards without those that are leaving."""
        return list(self._owned)

    @property
    def leaving(self) -> list[int]:
        """The shards that are leaving."""
        return list(self._leaving)

    def tenure(self, shard: int) -> ShardTenure | None:
        """Return the ownership of a shard, also after its renew deadline, while nobody else has acquired it.

        Return None for a leaving shard: its calls may end, but nothing new is decided.
        """
        return self._owned.get(shard)

    def owns(self, shard: int) -> bool:
        """Whether this process decides about a shard; see ``tenure``."""
        return shard in self._owned

    def owns_key(self, key: str) -> bool:
        """Whether this process decides about an object that is assigned to a shard by ``key``, such as its uid."""
        return shard_of(key, self.shards) in self._owned

    def holds(self, shard: int) -> bool:
        """Whether nobody else can own the shard as far as this process knows, also while it is leaving."""
        return shard in self._held

    def may_start(self, shard: int) -> bool:
        """Whether an effect may start now; call this in the same step of the event loop as the effect."""
        tenure = self._owned.get(shard) or self._leaving.get(shard)
        if tenure is None or not tenure.is_sure or tenure.is_epoch_too_low or not self.clock_guard.is_clock_right:
            return False
        now = self._clock.monotonic()
        if now >= (tenure.written if self._is_each_watched else tenure.seen) + self._seen_seconds:
            return False
        return now < self._renewed + self._renew_deadline

    def gone_since(self, shard: int, epoch: int) -> datetime:
        """Return since when the holder of a shard under ``epoch`` has been gone; now if that is not known."""
        tenure, now = self._owned.get(shard), self._clock.now()
        return now if tenure is None else lease_bodies.gone_since(tenure.lease, epoch, now)

    def __iter__(self) -> Iterator[ShardTenure]:
        """Iterate over a copy of all held shards, including leaving ones."""
        return iter([*self._owned.values(), *self._leaving.values()])

    def list_leaving(self) -> list[ShardTenure]:
        """Return the shards that are leaving."""
        return list(self._leaving.values())

    def on_claim_seen(self, shard: int, epoch: int) -> None:
        """Record the epoch of a claim: if it is above the own one, the Lease must be acquired above it first."""
        tenure = self._owned.get(shard)
        if tenure is not None and epoch > tenure.highest_claim:
            tenure.highest_claim = epoch

    # -- changes, by the leases only ----------------------------------------------------------------------------------

    def add(self, tenure: ShardTenure) -> None:
        """Add an acquired shard."""
        self._owned[tenure.shard] = tenure
        self._held.add(tenure.shard)

    def on_replica_renewed(self, sent: float) -> None:
        """Record a renewal of the replica's Lease that was sent at ``sent``."""
        self._renewed = sent

    def on_peers_listed(self, *, watch_shards: bool) -> None:
        """Record whether other replicas judge this one by the Lease of each shard: then each must be renewed."""
        self._is_each_watched = watch_shards

    def on_replica_lost(self) -> None:
        """Record that the replica's Lease was deleted or fenced: each shard must be verified before it is used."""
        self._renewed = -inf
        for tenure in self:
            tenure.doubt()

    def doubt(self, shard: int) -> None:
        """Record that others may have taken a shard: it must be verified before it is used."""
        self._owned[shard].doubt()

    def start_leaving(self, shard: int) -> None:
        """Mark a shard as leaving; it leaves as soon as it is at rest."""
        self._leaving[shard] = self._owned.pop(shard)

    def cancel_leaving(self, shard: int) -> ShardTenure:
        """Return a leaving shard to service."""
        tenure = self._owned[shard] = self._leaving.pop(shard)
        return tenure

    def remove(self, shard: int) -> bool:
        """Remove a shard; return False if it was not held."""
        self._held.discard(shard)
        return self._owned.pop(shard, None) is not None or self._leaving.pop(shard, None) is not None

    def clear(self) -> list[ShardTenure]:
        """Remove and return all held shards."""
        held = list(self)
        self._owned, self._leaving, self._held = {}, {}, set()
        return held
