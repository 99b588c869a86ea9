"""Replicas of the operator as far as leases go: each with a clock of its own, all before one API server."""

from collections.abc import Callable

from support.fake_cluster import FakeCluster
from taskaction.cluster.gateway import Body
from taskaction.control.sharding.lease_settings import LeaseSettings
from taskaction.control.sharding.leases import ShardLeases
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.testing.clock import FakeClock

DURATION, DEADLINE, RETRY = 15.0, 10.0, 2.0


class Replica:
    """A process that competes for shards, and what it was told."""

    def __init__(self, cluster: FakeCluster, identity: str, clock: FakeClock | None = None, shards: int = 1) -> None:
        self.clock = clock or FakeClock()
        self.told: list[tuple[str, int]] = []
        self.renewed: list[int] = []
        settings = LeaseSettings(
            namespace="ops", identity=identity, shards=shards, duration=DURATION, renew_deadline=DEADLINE, retry=RETRY
        )
        self.restless: set[int] = set()
        self.loads: dict[int, int] = {}
        self.ready = True
        self.told_share_held = 0
        self.tenures = ShardTenures(self.clock, shards=shards, renew_deadline=DEADLINE)
        self.leases = ShardLeases(cluster, self.clock, settings, self.tenures, self)

    def on_shard_acquired(self, shard: int, epoch: int) -> None:
        self.told.append(("acquired", shard))

    def on_shard_lost(self, shard: int) -> None:
        self.told.append(("lost", shard))

    def on_lease_renewed(self, shard: int) -> None:
        self.renewed.append(shard)

    def on_clock_wrong(self, seconds: float) -> None:
        self.told.append(("clock wrong", round(seconds)))

    def on_clock_right(self, seconds: float) -> None:
        self.told.append(("clock right", round(seconds)))

    def on_shard_leaving(self, shard: int) -> None:
        self.told.append(("leaving", shard))

    def is_shard_at_rest(self, shard: int) -> bool:
        return shard not in self.restless

    def shard_loads(self) -> dict[int, int]:
        return self.loads

    def is_ready_to_acquire(self, on_ready: Callable[[], None]) -> bool:
        return self.ready

    def on_share_held(self) -> None:
        self.told_share_held += 1

    async def rounds(self, seconds: float) -> None:
        """Let time pass with a round every ``RETRY`` seconds."""
        for _ in range(round(seconds / RETRY)):
            await self.clock.advance(RETRY)
            await self.leases.run_round()


def lease(cluster: FakeCluster, shard: int = 0) -> Body:
    """Give a shard's Lease as the API server has it."""
    return cluster.objects["leases", "ops", f"taskaction-shard-{shard}"]
