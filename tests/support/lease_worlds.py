"""A world of replicas that pause, crash, lose answers and leave, before one API server that is away now and then."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from support.fake_cluster import FakeCluster
from support.former_replica import FormerReplica
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import LEASES, ServerTime
from taskaction.control.sharding.lease_settings import LeaseSettings
from taskaction.control.sharding.leases import ShardLeases
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.testing.clock import START, FakeClock

SHARDS = 4
STEP = 0.25
_LONGEST_DELAY = 3.0


class Wire(FakeCluster):
    """What one process has of the API server: requests that are late, lost, or held while the process is paused."""

    def __init__(self, world: "LeaseWorld") -> None:
        super().__init__(world.clock)
        self._store = world.server._store
        self._world = world
        self.resumed = asyncio.Event()
        self.resumed.set()

    @property
    def server_time(self) -> ServerTime:
        now = self._world.clock.monotonic()
        return ServerTime(START.timestamp() + now - self._world.began, now)

    async def _call(self, verb: str, name: str, do: Callable[[], Any]) -> Any:
        dice = self._world.dice
        await self._travel()
        if self._world.is_away or dice.random() < self._world.loss:
            raise UnavailableError("the API server is away")
        answer = do()
        await self._travel()
        if dice.random() < self._world.loss:
            raise UnavailableError("the answer was lost")
        return answer

    async def _travel(self) -> None:
        await self.resumed.wait()
        dice = self._world.dice
        await self._world.clock.sleep(dice.uniform(0.0, _LONGEST_DELAY) if dice.random() < self._world.lateness else 0)
        await self.resumed.wait()


class Member:
    """A process of this release or the former one."""

    def __init__(self, world: "LeaseWorld", identity: str, *, is_former: bool) -> None:
        self.identity = identity
        self.wire = Wire(world)
        self.restless: set[int] = set()
        self.leases: ShardLeases | FormerReplica
        if is_former:
            self.leases = FormerReplica(self.wire, world.clock, identity, SHARDS)
            self.may_start = self.leases.may_start
        else:
            tenures = ShardTenures(world.clock, shards=SHARDS, renew_deadline=world.renew_deadline)
            settings = LeaseSettings(
                namespace="ops",
                identity=identity,
                shards=SHARDS,
                duration=world.duration,
                renew_deadline=world.renew_deadline,
            )
            self.leases = ShardLeases(self.wire, world.clock, settings, tenures, _Listener())
            # A leaving shard is released when it is at rest, so that nothing can start while the answer is on its way.
            self.may_start = lambda shard: tenures.owns(shard) and tenures.may_start(shard)
        self.task = asyncio.ensure_future(self.leases.run(lambda _: None))

    @property
    def is_paused(self) -> bool:
        return not self.wire.resumed.is_set()


class LeaseWorld:
    """Members and their API server; ``dice`` decides what goes wrong. The settings are those of this release."""

    def __init__(self, seed: int, *, duration: float = 6.0, renew_deadline: float = 4.0) -> None:
        self.duration, self.renew_deadline = duration, renew_deadline
        self.dice = random.Random(seed)
        self.clock = FakeClock()
        self.began = self.clock.monotonic()
        self.server = FakeCluster(self.clock)
        self.members: list[Member] = []
        self.is_away = False
        self.loss, self.lateness = 0.02, 0.1
        self.history: list[str] = []
        self._born = 0

    def start(self, *, is_former: bool = False) -> None:
        self._born += 1
        identity = f"{'old' if is_former else 'new'}-{self._born}"
        self.history.append(f"{self.clock.monotonic():.2f} {identity} starts")
        self.members.append(Member(self, identity, is_former=is_former))

    def kill(self, member: Member) -> None:
        self.history.append(f"{self.clock.monotonic():.2f} {member.identity} is killed")
        member.task.cancel()
        self.members.remove(member)

    def pause(self, member: Member) -> None:
        self.history.append(f"{self.clock.monotonic():.2f} {member.identity} is paused")
        member.wire.resumed.clear()

    def resume(self, member: Member) -> None:
        self.history.append(f"{self.clock.monotonic():.2f} {member.identity} goes on")
        member.wire.resumed.set()

    def drop_a_lease(self) -> None:
        """Delete the Lease of a replica, as a person does who tidies up; that of a shard would free the shard."""
        names = [name for plural, _, name in self.server.objects if plural == "leases" and "replica" in name]
        if names:
            name = self.dice.choice(sorted(names))
            self.history.append(f"{self.clock.monotonic():.2f} {name} is deleted")
            self.server.drop(LEASES, name, "ops")

    def owners(self, shard: int) -> list[str]:
        """Return who may start something in a shard, if it is not paused or as soon as it goes on."""
        return [member.identity for member in self.members if member.may_start(shard)]

    async def end(self) -> None:
        for member in self.members:
            member.task.cancel()
        await asyncio.gather(*(member.task for member in self.members), return_exceptions=True)


class _Listener:
    """Listener whose shards are always at rest."""

    def on_shard_acquired(self, shard: int, epoch: int) -> None: ...
    def on_lease_renewed(self, shard: int) -> None: ...
    def on_shard_leaving(self, shard: int) -> None: ...
    def on_shard_lost(self, shard: int) -> None: ...
    def on_clock_wrong(self, seconds: float) -> None: ...
    def on_clock_right(self, seconds: float) -> None: ...

    def is_shard_at_rest(self, shard: int) -> bool:
        return True

    def shard_loads(self) -> dict[int, int]:
        return {}

    def is_ready_to_acquire(self, on_ready: Callable[[], None]) -> bool:
        return True

    def on_share_held(self) -> None: ...
