"""Shards are acquired only by a replica that knows what is in them, and a wish for more keeps it informed."""

import pytest

from support.fake_cluster import FakeCluster
from support.replicas import DURATION, RETRY, Replica
from taskaction.cluster.errors import UnavailableError
from taskaction.testing.clock import FakeClock

LOST = UnavailableError("the answer was lost")


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


async def test_a_replica_that_does_not_know_the_objects_takes_nothing_until_it_does(cluster: FakeCluster) -> None:
    ada = Replica(cluster, "ada", shards=2)
    ada.ready = False
    await ada.rounds(3 * RETRY)
    assert (ada.tenures.held_count, ada.told_share_held) == (0, 0)
    ada.ready = True
    await ada.rounds(RETRY)
    assert ada.tenures.held_count == 2
    assert ada.told_share_held == 1


async def test_a_silent_owner_is_timed_also_by_a_replica_that_has_its_share(cluster: FakeCluster) -> None:
    clock = FakeClock()
    ada, bob = Replica(cluster, "ada", clock, shards=2), Replica(cluster, "bob", clock, shards=2)
    for _ in range(5):
        await clock.advance(RETRY)
        for one in ada, bob:
            await one.leases.run_round()
    assert (ada.tenures.held_count, bob.tenures.held_count) == (1, 1)
    passed = 0.0
    while bob.tenures.held_count < 2:
        await bob.rounds(RETRY)
        passed += RETRY
    assert passed <= DURATION + 2 * RETRY


async def test_an_acquisition_whose_answer_was_lost_counts_only_when_the_objects_are_known(
    cluster: FakeCluster,
) -> None:
    ada = Replica(cluster, "ada")
    cluster.fail("create", LOST, after=True, name="taskaction-shard-0")
    cluster.fail("get", LOST, name="taskaction-shard-0")
    with pytest.raises(UnavailableError):
        await ada.leases.run_round()
    ada.ready = False
    await ada.rounds(2 * RETRY)
    assert ada.tenures.held_count == 0
    ada.ready = True
    await ada.rounds(RETRY)
    assert ada.told == [("acquired", 0)]
