"""Ownership of shards: one Lease each, with an epoch that only grows.

This module knows nothing about actions. Whoever starts an effect calls ``may_start`` in the same step of the event
loop (docs/architecture.md).
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

from taskaction.cluster.errors import AlreadyExistsError, ClusterError, ConflictError, NotFoundError
from taskaction.cluster.gateway import LEASES, Body, Cluster
from taskaction.control.sharding import lease_bodies
from taskaction.control.sharding.balance import share_of
from taskaction.control.sharding.lease_bodies import ListedLeases, ReplicaState
from taskaction.control.sharding.lease_listener import LeaseListener
from taskaction.control.sharding.lease_settings import LeaseSettings
from taskaction.control.sharding.peers import Peers
from taskaction.control.sharding.replica_lease import ReplicaLease
from taskaction.control.sharding.sightings import LeaseSightings
from taskaction.control.sharding.tenures import ShardTenure, ShardTenures
from taskaction.control.sharding.unanswered import UnansweredAcquisitions
from taskaction.core.clock import Clock

_SHARD_RENEWAL_SECONDS = 5.0
"""Time between two writes of the Lease of a shard, while they are needed."""
_LIST_SECONDS = 1.0
"""Time between two lists while this process has its share."""
_GLANCE = 0.05
"""Seconds between checks of whether the calls of a leaving shard have ended."""
_STAYS = 5
"""Multiple of ``patience`` for which a shard whose calls did not end is not asked to leave again."""


class ShardLeases:
    """Leases of this process: acquires its share, renews them, and releases the surplus, or all at shutdown."""

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        settings: LeaseSettings,
        tenures: ShardTenures,
        listener: LeaseListener,
    ) -> None:
        """Create the leases; they change ``tenures`` and report that to ``listener``."""
        self._cluster = cluster
        self._clock = clock
        self._settings = settings
        self._tenures = tenures
        self._listener = listener
        self._patience_ends: dict[int, float] = {}  # of leaving shards
        self._stays_until: dict[int, float] = {}  # of shards whose calls did not end in time
        self._unanswered = UnansweredAcquisitions()
        names = {"namespace": settings.namespace, "identity": settings.identity}
        self._sightings = LeaseSightings(
            clock,
            tenures.clock_guard,
            default_duration=settings.duration,
            list_seconds=_LIST_SECONDS + settings.retry,
        )
        self._peers = Peers(cluster, clock, self._sightings, **names)
        self._replica = ReplicaLease(cluster, clock, tenures, duration=settings.duration, **names)
        self._going = False
        self._is_clock_wrong = False
        self._next_list = 0.0
        self._stirred = asyncio.Event()
        self._on_error: Callable[[Exception], None] = lambda _: None

    async def run(self, on_error: Callable[[Exception], None]) -> None:
        """Keep leases until cancelled; report errors of the API server and retry."""
        self._on_error = on_error
        while True:
            try:
                await self.run_round()
            except ClusterError as error:
                on_error(error)
            await self._wait_for_round()

    async def run_round(self) -> None:
        """Renew the Lease of this replica after a third of its duration, then acquire or release shards."""
        if self._tenures.held_count:
            await self._keep()
        held = list(self._tenures)
        if self._replica.is_live:  # a shard is sure only if its Lease is written after that of the replica
            await _run_concurrently(self._raise_epoch(tenure) for tenure in held if tenure.is_epoch_too_low)
            await _run_concurrently(self._renew(tenure) for tenure in held if self._must_renew(tenure))
        if self._going:
            await self._retire()
            return
        if not await self._is_clock_right():
            for shard in self._tenures.owned:
                self._start_leaving(shard)
            self._next_list = 0.0
            await self._retire()
            return
        if not self._replica.is_live:
            await self._keep()
        if self._replica.is_live:
            await self._rebalance()
            await self._keep()  # without shards only now: peers must not count on a replica that can acquire nothing
        await self.hand_over()

    def leave(self) -> None:
        """Start to release all shards, because this process stops; ``run`` completes it."""
        self._going = True
        self._stirred.set()
        for shard in self._tenures.owned:
            self._start_leaving(shard)

    async def hand_over(self) -> None:
        """Release the leaving shards that are at rest; return those that do not come to rest to service."""
        now = self._clock.monotonic()
        resting = [tenure for tenure in self._tenures.list_leaving() if self._listener.is_shard_at_rest(tenure.shard)]
        await _run_concurrently(self._free(tenure) for tenure in resting)
        for shard in self._tenures.leaving:
            if self._patience_ends[shard] <= now and not self._going and self._tenures.clock_guard.is_clock_right:
                self._cancel_leaving(shard)

    async def release(self) -> None:
        """Release all leases, so that another replica can acquire them at once; failures expire by themselves."""
        self._going = True
        calls = [self._free(tenure) for tenure in self._tenures.clear()]
        results = await asyncio.gather(*calls, return_exceptions=True)
        results += await asyncio.gather(self._replica.delete(), return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                self._on_error(result)

    async def _keep(self) -> None:
        """Keep the Lease of this replica, and with it all its shards."""
        is_leaving = self._going or self._is_clock_wrong
        if await self._replica.keep(ReplicaState.LEAVING if is_leaving else ReplicaState.LIVE):
            for tenure in self._tenures:
                if tenure.is_sure:
                    self._listener.on_lease_renewed(tenure.shard)

    async def _retire(self) -> None:
        """Release what is at rest; keep the Lease of this replica until then, although it takes no share."""
        calls = [self.hand_over()]
        if self._tenures.held_count:
            calls.append(self._keep())
        await _run_concurrently(calls)
        if not self._tenures.held_count:
            await self._replica.delete()

    # -- acquisition and release --------------------------------------------------------------------------------------

    async def _is_clock_right(self) -> bool:
        """Compare the clock with the API server's by its last response; ask again while it is wrong."""
        guard = self._tenures.clock_guard
        guard.update(self._cluster.server_time)
        if not guard.is_clock_right:
            await self._list()
            guard.update(self._cluster.server_time)
        if guard.is_clock_right is self._is_clock_wrong:
            self._is_clock_wrong = not self._is_clock_wrong
            tell = self._listener.on_clock_wrong if self._is_clock_wrong else self._listener.on_clock_right
            tell(guard.skew_seconds())
        return not self._is_clock_wrong

    async def _rebalance(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_list and not self._tenures.leaving:
            return
        listed = await self._list()
        self._tenures.clock_guard.update(self._cluster.server_time)
        if not self._tenures.clock_guard.is_clock_right:
            return  # the first response shows it; the next round acts on it
        await self._peers.update(listed)
        self._tenures.on_peers_listed(watch_shards=self._peers.watch_shards)
        doubtful = []
        for tenure in self._tenures:
            if self._shows(listed, tenure):
                tenure.see(now)
            else:
                doubtful.append(tenure)
        await _run_concurrently(self._verify(tenure) for tenure in doubtful)
        holders = {shard: lease_bodies.holder_of(lease) for shard, lease in listed.shards.items()}
        holders |= dict.fromkeys(self._tenures.leaving, "")
        holders |= dict.fromkeys(self._tenures.owned, self._settings.identity)
        share = share_of(self._settings.identity, self._peers.sharing, holders, self._settings.shards)
        self._give_surplus(len(self._tenures.owned) - share)
        await self._take_up_to(share, listed)
        if len(self._tenures.owned) == share:
            self._next_list = now + _LIST_SECONDS
            self._listener.on_share_held()

    async def _list(self) -> ListedLeases:
        leases = self._cluster.list(
            LEASES,
            self._settings.namespace,
            label_selector=lease_bodies.SELECTOR,
            timeout=self._settings.renew_deadline / 2,
        )
        return ListedLeases.from_leases([lease async for lease in leases])

    def _give_surplus(self, surplus: int) -> None:
        """Let the least loaded shards leave, except those that recently did not come to rest."""
        if surplus <= 0:
            return
        now, loads = self._clock.monotonic(), self._listener.shard_loads()
        movable = [shard for shard in self._tenures.owned if self._stays_until.get(shard, now) <= now]
        movable.sort(key=lambda shard: (loads.get(shard, 0), shard))
        for shard in movable[:surplus]:
            self._start_leaving(shard)

    async def _take_up_to(self, share: int, listed: ListedLeases) -> None:
        """Acquire free shards, and adopt those whose acquisition was not answered, once their objects are known."""
        unanswered = [shard for shard, lease in listed.shards.items() if self._sent_at(shard, lease) is not None]
        missing = [shard for shard in range(self._settings.shards) if not self._tenures.holds(shard)]
        free = [shard for shard in missing if self._is_free(listed.shards.get(shard))]
        stranded = [shard for shard in free if self._is_stranded(listed.shards.get(shard))]
        is_wanting = unanswered or stranded or len(self._tenures.owned) < share
        if not is_wanting or not self._listener.is_ready_to_acquire(self._stirred.set):
            return
        for shard in unanswered:
            self._adopt_unanswered(shard, listed.shards[shard])
        free = [shard for shard in free if not self._tenures.holds(shard)]
        room = max(share - len(self._tenures.owned), 0)
        await _run_concurrently(self._take(shard, listed.shards.get(shard)) for shard in free[:room])
        left = set(free[room:])
        await _run_concurrently(self._release_stranded(listed.shards[shard]) for shard in stranded if shard in left)

    def _is_stranded(self, lease: Body | None) -> bool:
        """Whether a former process with the same identity held a shard: others leave it alone for this process."""
        return lease is not None and lease_bodies.holder_of(lease) == self._settings.identity

    async def _release_stranded(self, lease: Body) -> None:
        with suppress(ConflictError, NotFoundError):
            await self._cluster.replace(LEASES, lease_bodies.release_lease_body(lease, self._clock.now()))

    def _start_leaving(self, shard: int) -> None:
        self._tenures.start_leaving(shard)
        self._patience_ends[shard] = self._clock.monotonic() + self._settings.patience
        self._listener.on_shard_leaving(shard)

    def _cancel_leaving(self, shard: int) -> None:
        """Return a shard that does not come to rest to service; others leave first next time."""
        tenure = self._tenures.cancel_leaving(shard)
        self._stays_until[shard] = self._clock.monotonic() + _STAYS * self._settings.patience
        self._listener.on_shard_acquired(shard, tenure.epoch)

    async def _take(self, shard: int, lease: Body | None) -> None:
        sent = self._clock.monotonic()
        epoch = lease_bodies.next_epoch(lease, self._clock.now())
        body = lease_bodies.acquire_lease_body(
            shard, lease, self._settings.identity, self._settings.duration, epoch, self._clock.now()
        )
        self._unanswered.add(shard, epoch, sent)
        try:
            if lease is None:
                taken = await self._cluster.create(LEASES, body, self._settings.namespace)
            else:
                taken = await self._cluster.replace(LEASES, body, timeout=self._settings.renew_deadline / 2)
        except (ConflictError, NotFoundError):
            return  # another replica was faster; the next round shows which
        except ClusterError as error:
            # The Lease lost the label of the selector, or the response was lost: read the Lease.
            known = await self._cluster.get(LEASES, lease_bodies.shard_name(shard), self._settings.namespace)
            if known is not None and self._adopt_unanswered(shard, known):
                return
            if not isinstance(error, AlreadyExistsError):
                raise
            if known is not None and self._peers.is_free(known):
                await self._take(shard, known)
            return
        self._add_tenure(shard, epoch, sent, taken)

    def _adopt_unanswered(self, shard: int, lease: Body) -> bool:
        """Own a shard whose acquisition succeeded although its response was lost; False otherwise."""
        sent = self._sent_at(shard, lease)
        if sent is None:
            return False
        self._add_tenure(shard, lease_bodies.epoch_of(lease), sent, lease)
        self._tenures.doubt(shard)  # others may have fenced this process since; the next round finds out
        return True

    def _sent_at(self, shard: int, lease: Body) -> float | None:
        """Return when this process acquired a shard, if it does not know because the response was lost."""
        if self._tenures.holds(shard) or lease_bodies.holder_of(lease) != self._settings.identity:
            return None
        return self._unanswered.sent_at(shard, lease_bodies.epoch_of(lease))

    def _add_tenure(self, shard: int, epoch: int, sent: float, lease: Body) -> None:
        self._tenures.add(ShardTenure(shard=shard, epoch=epoch, written=sent, lease=lease))
        self._sightings.forget(lease_bodies.shard_name(shard))
        self._unanswered.forget(shard)
        self._listener.on_shard_acquired(shard, epoch)

    def _is_free(self, lease: Body | None) -> bool:
        return lease is None or self._peers.is_free(lease)

    # -- held leases --------------------------------------------------------------------------------------------------

    def _must_renew(self, tenure: ShardTenure) -> bool:
        """Whether the Lease of a shard must be written.

        That is to be sure of the shard, for replicas that look only at the Lease, or because it cannot be listed.
        """
        due = self._clock.monotonic() - min(self._settings.duration / 3, _SHARD_RENEWAL_SECONDS)
        return not tenure.is_sure or (tenure.written if self._peers.watch_shards else tenure.seen) <= due

    async def _renew(self, tenure: ShardTenure) -> None:
        sent = self._clock.monotonic()
        lease = await self._replace_held(
            tenure, lease_bodies.renew_lease_body(tenure.lease, self._clock.now()), self._settings.renew_deadline / 2
        )
        if lease is not None:
            tenure.renew(lease, sent)
            self._listener.on_lease_renewed(tenure.shard)

    async def _raise_epoch(self, tenure: ShardTenure) -> None:
        """Acquire a held Lease again, above a claim that a former holder made with a clock that was ahead."""
        sent, now = self._clock.monotonic(), self._clock.now()
        epoch = max(tenure.highest_claim + 1, lease_bodies.next_epoch(tenure.lease, now))
        body = lease_bodies.acquire_lease_body(
            tenure.shard, tenure.lease, self._settings.identity, self._settings.duration, epoch, now
        )
        self._unanswered.add(tenure.shard, epoch, sent)
        lease = await self._replace_held(tenure, body, self._settings.renew_deadline / 2)
        if lease is not None:
            tenure.raise_epoch(epoch, lease, sent)
            self._unanswered.forget(tenure.shard)
            self._listener.on_lease_renewed(tenure.shard)

    async def _replace_held(self, tenure: ShardTenure, body: Body, timeout: float) -> Body | None:
        """Write a held Lease and return it; None if somebody else wrote or deleted it, or a response was lost."""
        try:
            return await self._cluster.replace(LEASES, body, timeout=timeout)
        except ConflictError:
            await self._verify(tenure)
        except NotFoundError:
            self._lose(tenure.shard)
        return None

    async def _verify(self, tenure: ShardTenure) -> None:
        """Determine who wrote a held lease: this process, with a lost response, or another."""
        lease = await self._cluster.get(LEASES, lease_bodies.shard_name(tenure.shard), self._settings.namespace)
        if lease is not None and self._is_own(lease, tenure):
            tenure.set_lease(lease)
        else:
            self._lose(tenure.shard)

    def _shows(self, listed: ListedLeases, tenure: ShardTenure) -> bool:
        """Whether a list has the Lease of a held shard as this process knows it."""
        lease = listed.shards.get(tenure.shard)
        return lease is not None and self._is_own(lease, tenure)

    def _is_own(self, lease: Body, tenure: ShardTenure) -> bool:
        return lease_bodies.holder_of(lease) == self._settings.identity and lease_bodies.epoch_of(lease) == tenure.epoch

    async def _free(self, tenure: ShardTenure) -> None:
        """Release a Lease; if the response is lost, the next try finds out."""
        body = lease_bodies.release_lease_body(tenure.lease, self._clock.now())
        if await self._replace_held(tenure, body, 2.0) is not None:
            self._lose(tenure.shard)

    def _lose(self, shard: int) -> None:
        self._next_list = 0.0
        if self._tenures.remove(shard):
            self._stays_until.pop(shard, None)
            self._listener.on_shard_lost(shard)

    async def _wait_for_round(self) -> None:
        """Wait for the next round; check leaving shards more often."""
        until = self._clock.monotonic() + self._settings.retry
        while (left := until - self._clock.monotonic()) > 0 and not self._stirred.is_set():
            waker = asyncio.ensure_future(self._stirred.wait())
            sleeper = asyncio.ensure_future(self._clock.sleep(min(left, _GLANCE) if self._tenures.leaving else left))
            try:
                await asyncio.wait({sleeper, waker}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleeper.cancel()
                waker.cancel()
            if self._tenures.leaving:
                try:
                    await self.hand_over()
                except ClusterError as error:
                    self._on_error(error)
        self._stirred.clear()


async def _run_concurrently(calls: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run the calls concurrently; raise the first error after all have ended."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
