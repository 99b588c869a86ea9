"""The other replicas: who shares the work, and whose shards are free; owns and moves no shard.

The shards of a replica are free when it is fenced: when somebody has written into its Lease, at the version that had
expired, that it owns nothing any more. A replica that only slept finds that at its next renewal, before it starts
anything. A replica of a release without such Leases keeps a shard by renewing the Lease of the shard.
"""

from enum import Enum, auto
from math import inf

from taskaction.cluster.errors import ConflictError, NotFoundError
from taskaction.cluster.gateway import LEASES, Body, Cluster
from taskaction.control.sharding import lease_bodies
from taskaction.control.sharding.lease_bodies import ListedLeases, ReplicaState
from taskaction.control.sharding.sightings import LeaseSightings
from taskaction.core.clock import Clock

_TIMEOUT = 2.0
_FORMER_SECONDS = 60.0
"""Time after the last sight of a replica of a former release for which it may come back, e.g. from a pause."""


class _Peer(Enum):
    """Another replica, as this one sees it."""

    SHARING = auto()
    LEAVING = auto()
    FENCED = auto()
    FORMER = auto()  # of a release that renews the Lease of each shard
    FORMER_SILENT = auto()


class Peers:
    """The other replicas, as the last list of the Leases has shown them."""

    def __init__(
        self, cluster: Cluster, clock: Clock, sightings: LeaseSightings, *, namespace: str, identity: str
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._sightings = sightings
        self._namespace = namespace
        self._identity = identity
        self._peers: dict[str, _Peer] = {}
        self._listed: set[str] = set()
        self._former_until = -inf

    @property
    def sharing(self) -> frozenset[str]:
        """The replicas that share the work with this one."""
        return frozenset(name for name, peer in self._peers.items() if peer in {_Peer.SHARING, _Peer.FORMER})

    @property
    def watch_shards(self) -> bool:
        """Whether one of them judges owners by the Lease of each shard, or did so lately."""
        return self._clock.monotonic() < self._former_until

    async def update(self, listed: ListedLeases) -> None:
        """Judge the Leases of a list: fence who no longer renews, and delete the Leases that nothing refers to."""
        self._sightings.on_list()
        holders = {lease_bodies.holder_of(lease) for lease in listed.shards.values()} - {"", self._identity}
        names = {lease["metadata"]["name"] for lease in listed.replicas}
        names |= {lease_bodies.replica_name(holder) for holder in holders}
        for name in self._listed - names:
            self._sightings.forget(name)
        self._listed, self._peers = names, {}
        if any(lease_bodies.replica_state(lease) is None for lease in listed.replicas):
            self._former_until = self._clock.monotonic() + _FORMER_SECONDS
        for lease in listed.replicas:
            holder = lease_bodies.holder_of(lease)
            if holder != self._identity:
                self._peers[holder] = await self._judge(lease, holds_shards=holder in holders)

    def is_free(self, lease: Body) -> bool:
        """Whether the Lease of a shard has no holder, or one that owns it no longer."""
        holder = lease_bodies.holder_of(lease)
        match self._peers.get(holder):
            case _Peer.FENCED:
                return True
            case _Peer.SHARING | _Peer.LEAVING:
                return False
            case _Peer.FORMER | _Peer.FORMER_SILENT:
                return self._sightings.is_expired(lease)
        if holder in {"", self._identity}:
            return not holder or self._sightings.is_expired(lease)  # of a namesake, or of an acquisition long ago
        is_expired = self._sightings.is_expired(lease)
        return self._sightings.is_missing(lease_bodies.replica_name(holder)) and is_expired

    async def _judge(self, lease: Body, *, holds_shards: bool) -> _Peer:
        state = lease_bodies.replica_state(lease)
        if state is ReplicaState.FENCED:
            if not holds_shards:
                await self._delete(lease)
            return _Peer.FENCED
        if not self._sightings.is_expired(lease):
            return {None: _Peer.FORMER, ReplicaState.LEAVING: _Peer.LEAVING}.get(state, _Peer.SHARING)
        if state is not None:
            return await self._fence(lease)
        if not holds_shards:  # a replica that was only paused creates its Lease again
            await self._delete(lease)
        return _Peer.FORMER_SILENT

    async def _fence(self, lease: Body) -> _Peer:
        try:
            await self._cluster.replace(LEASES, lease_bodies.fence_lease_body(lease), timeout=_TIMEOUT)
        except (ConflictError, NotFoundError):
            return _Peer.SHARING  # it has renewed its Lease, or another replica was faster: the next list shows which
        return _Peer.FENCED

    async def _delete(self, lease: Body) -> None:
        name = lease["metadata"]["name"]
        await self._cluster.delete(LEASES, name, self._namespace, uid=lease["metadata"]["uid"], timeout=_TIMEOUT)
        self._sightings.forget(name)
