"""Which replicas there are: each keeps a Lease of its own by which the others know it; it owns and moves nothing."""

from collections.abc import Iterable

from taskaction.cluster.errors import AlreadyExistsError, ConflictError, NotFoundError
from taskaction.cluster.gateway import LEASES, Body, Cluster
from taskaction.control.sharding import lease_bodies
from taskaction.control.sharding.sightings import Sightings
from taskaction.core.clock import Clock

_TIMEOUT = 2.0
_KEPT_DURATIONS = 10
"""After so many durations of silence the Lease of a replica that is gone is removed."""


class Members:
    """Announces this replica, and tells who else is alive."""

    def __init__(
        self, cluster: Cluster, clock: Clock, sightings: Sightings, *, namespace: str, identity: str, duration: float
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._sightings = sightings
        self._namespace = namespace
        self._identity = identity
        self._duration = duration
        self._lease: Body | None = None
        self._renewed = 0.0

    async def arrive(self) -> None:
        """Let the others know that this replica is there; once they know, nothing happens."""
        if self._lease is not None:
            return
        sent = self._clock.monotonic()
        body = lease_bodies.replica(self._identity, self._duration, self._clock.now())
        try:
            self._lease = await self._cluster.create(LEASES, body, self._namespace, timeout=_TIMEOUT)
        except AlreadyExistsError:  # its own, if the answer was lost
            self._lease = await self._cluster.get(LEASES, self._name, self._namespace, timeout=_TIMEOUT)
        self._renewed = sent

    async def renew(self) -> None:
        """Let the others know that this replica is still there, when a third of its Lease's duration has passed."""
        sent = self._clock.monotonic()
        if self._lease is None or sent < self._renewed + self._duration / 3:
            return
        body = lease_bodies.renewed(self._lease, self._clock.now())
        try:
            self._lease = await self._cluster.replace(LEASES, body, timeout=_TIMEOUT)
        except (ConflictError, NotFoundError):
            # Its own write, whose answer was lost, or somebody has removed it: the next round makes it anew.
            self._lease = await self._cluster.get(LEASES, self._name, self._namespace, timeout=_TIMEOUT)
        else:
            self._renewed = sent

    async def withdraw(self) -> None:
        """Let the others know that this replica goes; once it has been said, nothing happens."""
        if self._lease is None:
            return
        await self._cluster.delete(LEASES, self._name, self._namespace, timeout=_TIMEOUT)
        self._lease = None

    async def others(self, leases: Iterable[Body]) -> frozenset[str]:
        """Give the replicas that are alive besides this one; the Leases of those long gone are removed."""
        alive = set()
        for lease in leases:
            identity = lease_bodies.holder(lease)
            if identity == self._identity:
                continue
            if not self._sightings.expired(lease):
                alive.add(identity)
            elif self._sightings.silence(lease) >= _KEPT_DURATIONS * self._duration:
                name = lease["metadata"]["name"]
                await self._cluster.delete(
                    LEASES, name, self._namespace, uid=lease["metadata"]["uid"], timeout=_TIMEOUT
                )
                self._sightings.forget(name)
        return frozenset(alive)

    @property
    def _name(self) -> str:
        return lease_bodies.replica_name(self._identity)
