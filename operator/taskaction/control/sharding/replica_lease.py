"""The Lease of this replica, which announces it to the others, and on which the ownership of its shards depends."""

from collections import deque
from math import inf

from taskaction.cluster.errors import AlreadyExistsError, ConflictError, NotFoundError
from taskaction.cluster.gateway import LEASES, Body, Cluster
from taskaction.control.sharding import lease_bodies
from taskaction.control.sharding.lease_bodies import ReplicaState
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.clock import Clock

_TIMEOUT = 2.0
_TIMES_KEPT = 4
"""Renew times of writes whose response may be lost."""


class ReplicaLease:
    """Lease of this replica; each renewal is one of all its shards."""

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        tenures: ShardTenures,
        *,
        namespace: str,
        identity: str,
        duration: float,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._tenures = tenures
        self._namespace = namespace
        self._identity = identity
        self._duration = duration
        self._lease: Body | None = None
        self._renewed = -inf
        self._times: deque[str] = deque(maxlen=_TIMES_KEPT)

    @property
    def is_live(self) -> bool:
        """Whether the Lease was renewed since it was created or found."""
        return self._renewed > -inf

    async def keep(self, state: ReplicaState) -> bool:
        """Renew the Lease after a third of its duration, or at once for another state; create it if it is missing.

        Return whether it was renewed.
        """
        sent = self._clock.monotonic()
        if self._lease is None:
            return await self._create(state)
        if sent < self._renewed + self._duration / 3 and lease_bodies.replica_state(self._lease) is state:
            return False
        return await self._renew(self._lease, state)

    async def delete(self) -> None:
        """Delete the Lease, unless it is deleted."""
        if self._lease is None:
            return
        await self._cluster.delete(LEASES, self._name, self._namespace, timeout=_TIMEOUT)
        self._lease, self._renewed = None, -inf
        self._tenures.on_replica_lost()

    async def _create(self, state: ReplicaState) -> bool:
        sent = self._clock.monotonic()
        try:
            lease = await self._cluster.create(LEASES, self._body(None, state), self._namespace, timeout=_TIMEOUT)
        except AlreadyExistsError:  # its own, if the response was lost; how old it is shows only a renewal
            found = await self._cluster.get(LEASES, self._name, self._namespace, timeout=_TIMEOUT)
            return found is not None and await self._renew(found, state)
        self._accept(lease, sent)
        return True

    async def _renew(self, lease: Body, state: ReplicaState) -> bool:
        sent = self._clock.monotonic()
        try:
            renewed = await self._cluster.replace(LEASES, self._body(lease, state), timeout=_TIMEOUT)
        except (ConflictError, NotFoundError):
            await self._read(lease)
            return False
        self._accept(renewed, sent)
        return True

    async def _read(self, known: Body) -> None:
        """Read who wrote the Lease: this process, with a lost response, or another that has fenced or deleted it."""
        lease = await self._cluster.get(LEASES, self._name, self._namespace, timeout=_TIMEOUT)
        if lease is None or not self._is_own(lease, known["metadata"]["uid"]):
            self._tenures.on_replica_lost()
        self._lease, self._renewed = lease, -inf

    def _is_own(self, lease: Body, uid: str) -> bool:
        """Whether nobody but this process has renewed the Lease; a namesake would have other times."""
        if lease["metadata"]["uid"] != uid or lease["spec"].get("renewTime") not in self._times:
            return False
        return lease_bodies.replica_state(lease) not in {None, ReplicaState.FENCED}

    def _accept(self, lease: Body, sent: float) -> None:
        self._lease, self._renewed = lease, sent
        self._times.clear()
        self._times.append(lease["spec"]["renewTime"])
        self._tenures.on_replica_renewed(sent)

    def _body(self, lease: Body | None, state: ReplicaState) -> Body:
        body = lease_bodies.replica_lease_body(lease, self._identity, self._duration, state, self._clock.now())
        self._times.append(body["spec"]["renewTime"])
        return body

    @property
    def _name(self) -> str:
        return lease_bodies.replica_name(self._identity)
