"""The replicas: each announces itself by a Lease of its own; this module owns and moves no shard."""

from collections.abc import Iterable

from taskaction.cluster.errors import AlreadyExistsError, ConflictError, NotFoundError
from taskaction.cluster.gateway import LEASES, Body, Cluster
from taskaction.control.sharding import lease_bodies
from taskaction.control.sharding.sightings import LeaseSightings
from taskaction.core.clock import Clock

_TIMEOUT = 2.0


class ReplicaRegistry:
    """Announcement of this replica, and list of its live peers."""

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        sightings: LeaseSightings,
        *,
        namespace: str,
        identity: str,
        duration: float,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._sightings = sightings
        self._namespace = namespace
        self._identity = identity
        self._duration = duration
        self._lease: Body | None = None
        self._listed: set[str] = set()
        self._renewed = 0.0

    async def register(self) -> None:
        """Create the Lease of this replica, unless it exists."""
        if self._lease is not None:
            return
        sent = self._clock.monotonic()
        body = lease_bodies.replica_lease_body(self._identity, self._duration, self._clock.now())
        try:
            self._lease = await self._cluster.create(LEASES, body, self._namespace, timeout=_TIMEOUT)
        except AlreadyExistsError:  # its own, if the response was lost
            self._lease = await self._cluster.get(LEASES, self._name, self._namespace, timeout=_TIMEOUT)
        self._renewed = sent

    async def renew(self) -> None:
        """Renew the Lease of this replica after a third of its duration."""
        sent = self._clock.monotonic()
        if self._lease is None or sent < self._renewed + self._duration / 3:
            return
        body = lease_bodies.renew_lease_body(self._lease, self._clock.now())
        try:
            self._lease = await self._cluster.replace(LEASES, body, timeout=_TIMEOUT)
        except (ConflictError, NotFoundError):
            # Its own write with a lost response, or somebody deleted it: the next round creates it again.
            self._lease = await self._cluster.get(LEASES, self._name, self._namespace, timeout=_TIMEOUT)
        else:
            self._renewed = sent

    async def unregister(self) -> None:
        """Delete the Lease of this replica, unless it is deleted."""
        if self._lease is None:
            return
        await self._cluster.delete(LEASES, self._name, self._namespace, timeout=_TIMEOUT)
        self._lease = None

    async def list_peers(self, leases: Iterable[Body]) -> frozenset[str]:
        """Return the live peers of this replica; delete the Leases of those that have stopped."""
        alive, listed = set(), list(leases)
        self._forget_unlisted({lease["metadata"]["name"] for lease in listed})
        for lease in listed:
            identity = lease_bodies.holder_of(lease)
            if identity == self._identity:
                continue
            if not self._sightings.is_expired(lease):
                alive.add(identity)
            else:  # a replica that was only paused creates its Lease again
                name = lease["metadata"]["name"]
                await self._cluster.delete(
                    LEASES, name, self._namespace, uid=lease["metadata"]["uid"], timeout=_TIMEOUT
                )
                self._sightings.forget(name)
        return frozenset(alive)

    def _forget_unlisted(self, names: set[str]) -> None:
        """Forget the Leases of replicas that have stopped, or that another replica has deleted."""
        for name in self._listed - names:
            self._sightings.forget(name)
        self._listed = names

    @property
    def _name(self) -> str:
        return lease_bodies.replica_name(self._identity)
