"""Leases that an uninstallation removes, and those that it leaves to a replica that still runs."""

import pytest

from support.fake_cluster import FakeCluster
from support.replicas import Replica
from taskaction.cluster.gateway import LEASES
from taskaction.control.lease_removal import LeaseRemover
from taskaction.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_the_leases_of_shards_stay_as_long_as_their_holder_renews_its_own(clock) -> None:
    cluster = FakeCluster(clock)
    ada = Replica(cluster, "ada", clock, shards=2)
    for _ in range(30):
        await ada.rounds(2.0)
    said: list[str] = []
    stay = await LeaseRemover(cluster, clock, "ops", said.append).run("operator", 0.0)

    assert (stay, sorted(name for _, _, name in cluster.objects if "taskaction-" in name)[1:]) == (
        3,
        ["taskaction-shard-0", "taskaction-shard-1"],
    )
    assert said[-1] == "0 Leases were removed; 3 are still held"


async def test_leases_that_were_given_back_or_have_expired_are_removed(clock) -> None:
    cluster = FakeCluster(clock)
    ada, bob = Replica(cluster, "ada", clock, shards=2), Replica(cluster, "bob", clock, shards=2)
    await ada.leases.run_round()
    await ada.leases.release()
    await bob.leases.run_round()
    await clock.advance(60)
    stay = await LeaseRemover(cluster, clock, "ops", lambda _: None).run("operator", 0.0)

    assert (stay, [key for key in cluster.objects if key[0] == LEASES.plural]) == (0, [])
