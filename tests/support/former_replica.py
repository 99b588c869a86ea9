"""A replica of a release in which the Lease of each shard is renewed, as far as the others notice it."""

from collections.abc import Callable
from typing import Any

from taskaction.cluster.errors import AlreadyExistsError, ClusterError, ConflictError, NotFoundError
from taskaction.cluster.gateway import LEASES, Body, Cluster
from taskaction.control.sharding import lease_bodies as bodies
from taskaction.core.constants import REPLICA_ANNOTATION
from taskaction.testing.clock import FakeClock

DURATION, DEADLINE, RENEWAL, ROUND = 15.0, 10.0, 5.0, 0.5


class FormerReplica:
    """Holder of all shards that nobody else renews; it does not share evenly, which the others do not rely on."""

    def __init__(self, cluster: Cluster, clock: FakeClock, identity: str, shards: int) -> None:
        self._cluster = cluster
        self._clock = clock
        self._identity = identity
        self._shards = shards
        self._seen: dict[str, tuple[Any, float]] = {}
        self._held: dict[int, tuple[Body, float]] = {}
        self._announced: tuple[Body, float] | None = None

    def may_start(self, shard: int) -> bool:
        held = self._held.get(shard)
        return held is not None and self._clock.monotonic() < held[1] + DEADLINE

    async def run(self, on_error: Callable[[Exception], None]) -> None:
        while True:
            try:
                await self._round()
            except ClusterError as error:
                on_error(error)
            await self._clock.sleep(ROUND)

    async def _round(self) -> None:
        for shard, (lease, renewed) in list(self._held.items()):
            if self._clock.monotonic() >= renewed + RENEWAL:
                await self._write(shard, bodies.renew_lease_body(lease, self._clock.now()))
        if self._announced is None:
            await self._announce()
        listed = bodies.ListedLeases.from_leases([lease async for lease in self._cluster.list(LEASES, "ops")])
        for lease in listed.replicas:
            if bodies.holder_of(lease) != self._identity and self._is_silent(lease):
                await self._cluster.delete(LEASES, lease["metadata"]["name"], "ops", uid=lease["metadata"]["uid"])
        for shard in range(self._shards):
            found = listed.shards.get(shard)
            if shard not in self._held and (found is None or not bodies.holder_of(found) or self._is_silent(found)):
                epoch = bodies.next_epoch(found, self._clock.now())
                now = self._clock.now()
                await self._write(
                    shard, bodies.acquire_lease_body(shard, found, self._identity, DURATION, epoch, now), found is None
                )

        await self._announce()  # only after a round that worked

    async def _write(self, shard: int, body: Body, is_new: bool = False) -> None:
        sent = self._clock.monotonic()
        try:
            call = self._cluster.create(LEASES, body, "ops") if is_new else self._cluster.replace(LEASES, body)
            self._held[shard] = (await call, sent)
        except (ConflictError, NotFoundError, AlreadyExistsError):
            self._held.pop(shard, None)

    async def _announce(self) -> None:
        sent = self._clock.monotonic()
        if self._announced is not None and sent < self._announced[1] + RENEWAL:
            return
        body = bodies.replica_lease_body(None, self._identity, DURATION, bodies.ReplicaState.LIVE, self._clock.now())
        del body["metadata"]["annotations"][REPLICA_ANNOTATION]
        found = await self._cluster.get(LEASES, body["metadata"]["name"], "ops")
        try:
            if found is None:
                self._announced = (await self._cluster.create(LEASES, body, "ops"), sent)
            else:
                renewed = bodies.renew_lease_body(found, self._clock.now())
                self._announced = (await self._cluster.replace(LEASES, renewed), sent)
        except (ConflictError, NotFoundError, AlreadyExistsError):
            self._announced = None

    def _is_silent(self, lease: Body) -> bool:
        spec, name = lease["spec"], lease["metadata"]["name"]
        mark = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        now = self._clock.monotonic()
        if name not in self._seen or self._seen[name][0] != mark:
            self._seen[name] = (mark, now)
        return now - self._seen[name][1] >= float(spec["leaseDurationSeconds"])
