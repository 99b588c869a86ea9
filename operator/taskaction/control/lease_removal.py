"""Stop of the operator, and removal of its Leases, as the last step before it is uninstalled.

A Lease that stays held makes the next installation wait until it has expired. Once the release is deleted, the operator
may not give it back any more, so it has to stop before.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from taskaction.cluster.errors import ClusterError, NotFoundError
from taskaction.cluster.gateway import LEASES, Body, Cluster, Resource
from taskaction.control.sharding.lease_bodies import SELECTOR, ListedLeases, holder_of
from taskaction.core.clock import Clock

DEPLOYMENTS = Resource(group="apps", version="v1", plural="deployments", kind="Deployment")
_LOOK_SECONDS = 0.5


class LeaseRemover:
    """Removal of the Leases of an operator that runs as a Deployment."""

    def __init__(self, cluster: Cluster, clock: Clock, namespace: str, say: Callable[[str], None]) -> None:
        """Create a remover for the operator in ``namespace``; ``say`` is called with progress messages."""
        self._cluster = cluster
        self._clock = clock
        self._namespace = namespace
        self._say = say

    async def run(self, deployment: str, seconds: float) -> int:
        """Stop the replicas of a Deployment, and delete the Leases that are free; return how many stay.

        It waits for ``seconds`` at most until the replicas have given their Leases back.
        """
        try:
            await self._stop(deployment)
        except ClusterError as error:
            self._say(f"Deployment {deployment} cannot be stopped: {error}")
            return len(await self._list())
        end = self._clock.monotonic() + seconds
        while (held := self._held_of(found := await self._list())) and self._clock.monotonic() < end:
            await self._clock.sleep(_LOOK_SECONDS)
        free = [one for one in found if one not in held]
        for lease in free:
            metadata = lease["metadata"]
            await self._cluster.delete(LEASES, metadata["name"], self._namespace, uid=metadata["uid"])
        self._say(f"{len(free)} Leases were removed; {len(held)} are still held")
        return len(held)

    async def _stop(self, deployment: str) -> None:
        operation = {"op": "add", "path": "/spec/replicas", "value": 0}
        try:
            await self._cluster.patch(DEPLOYMENTS, deployment, self._namespace, [operation], subresource="scale")
        except NotFoundError:
            self._say(f"Deployment {deployment} does not exist")

    def _held_of(self, leases: list[Body]) -> list[Body]:
        """Return the Leases that are held: a replica renews its own only, and holds those of its shards by it."""
        now = self._clock.now()
        holders = {holder_of(one) for one in leases if _is_renewed(one, now)}
        return [one for one in leases if holder_of(one) in holders]

    async def _list(self) -> list[Body]:
        found = ListedLeases.from_leases(
            [one async for one in self._cluster.list(LEASES, self._namespace, label_selector=SELECTOR)]
        )
        return [*found.shards.values(), *found.replicas]


def _is_renewed(lease: Body, now: datetime) -> bool:
    spec = lease["spec"]
    renewed = spec.get("renewTime")
    if not holder_of(lease) or not renewed:
        return False
    return now - datetime.fromisoformat(renewed) <= timedelta(seconds=spec.get("leaseDurationSeconds") or 0)
