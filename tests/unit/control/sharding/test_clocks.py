"""E3 and E5: what replicas conclude from the API server's time about lost holders, and about their own clocks."""

from datetime import timedelta

import pytest

from support.fake_cluster import FakeCluster
from support.replicas import RETRY, Replica
from taskaction.cluster.gateway import ServerTime
from taskaction.control.sharding.clock_guard import TOLERANCE_SECONDS, ClockGuard
from taskaction.testing.clock import START, FakeClock


class TimedCluster(FakeCluster):
    """API server that tells its time."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.clock = clock
        self.begun = clock.monotonic()

    @property
    def server_time(self) -> ServerTime:
        now = self.clock.monotonic()
        return ServerTime(START.timestamp() + now - self.begun, now)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ada(clock) -> Replica:
    return Replica(TimedCluster(clock), "ada", clock, shards=2)


@pytest.mark.parametrize(
    ("ahead", "right"),
    [(0.0, True), (4.0, True), (-4.0, True), (TOLERANCE_SECONDS + 1, False), (-3600.0, False), (3600.0, False)],
)
def test_e05_a_clock_is_right_within_a_few_seconds_of_the_api_server(clock, ahead, right) -> None:
    guard = ClockGuard(clock)
    assert guard.is_clock_right, "nothing is known"
    guard.update(ServerTime(clock.now().timestamp() - ahead, clock.monotonic()))

    assert guard.is_clock_right is right
    assert guard.skew_seconds() == pytest.approx(ahead)


async def test_e05_a_replica_with_a_wrong_clock_takes_no_shard(ada, clock) -> None:
    clock.set_wall(START + timedelta(hours=1))
    for _ in range(3):
        await ada.rounds(RETRY)

    assert ada.told == [("clock wrong", 3600)]


async def test_e05_a_replica_whose_clock_becomes_wrong_starts_nothing_and_releases_its_shards(ada, clock) -> None:
    await ada.leases.run_round()
    ada.told.clear()
    assert ada.tenures.may_start(0)

    clock.set_wall(clock.now() + timedelta(hours=1))
    assert not ada.tenures.may_start(0), "noticed before the next renewal"
    await ada.rounds(RETRY)

    assert ada.told == [("clock wrong", 3600), ("leaving", 0), ("leaving", 1), ("lost", 0), ("lost", 1)]


async def test_e05_a_shard_that_does_not_come_to_rest_stays_at_rest(ada, clock) -> None:
    await ada.leases.run_round()
    ada.restless = {0}
    clock.set_wall(clock.now() + timedelta(hours=1))
    await ada.rounds(60)

    assert ada.tenures.leaving == [0]
    assert not ada.tenures.may_start(0)


async def test_e05_a_replica_works_again_when_its_clock_is_right(ada, clock) -> None:
    clock.set_wall(START - timedelta(minutes=2))
    await ada.rounds(4)
    ada.told.clear()
    clock.set_wall(START + timedelta(seconds=4))
    await ada.rounds(RETRY)

    assert ada.told == [("clock right", 0), ("acquired", 0), ("acquired", 1)]


async def test_e03_replicas_that_live_shorter_than_a_lease_take_the_shards_of_a_lost_one(clock) -> None:
    cluster = TimedCluster(clock)
    await Replica(cluster, "lost", clock, shards=2).leases.run_round()
    lost, taken = clock.monotonic(), dict[int, float]()
    for life in range(4):
        one = Replica(cluster, f"replica-{life}", clock, shards=2)
        for _ in range(round(10 / RETRY)):
            await one.rounds(RETRY)
            taken |= {shard: clock.monotonic() - lost for _, shard in one.told if shard not in taken}
        await one.leases.release()

    assert set(taken) == {0, 1}
    assert max(taken.values()) <= 30
