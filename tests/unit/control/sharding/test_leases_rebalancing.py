"""Replicas that share shards: a newcomer gets its part, a leaver's goes to the others, and what is busy stays."""

import asyncio

import pytest

from support.containers import container_sizes
from support.fake_cluster import FakeCluster
from support.replicas import DURATION, RETRY, Replica, lease
from taskaction.cluster.errors import ConflictError, UnavailableError
from taskaction.cluster.gateway import LEASES
from taskaction.control.sharding.lease_bodies import replica_name
from taskaction.testing.clock import FakeClock, settle

LOST = UnavailableError("the answer was lost")
PATIENCE = 20.0


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def replicas(cluster: FakeCluster, clock: FakeClock, names: str, shards: int = 6) -> list[Replica]:
    return [Replica(cluster, name, clock, shards=shards) for name in names]


async def rounds(clock: FakeClock, seconds: float, *taking_part: Replica) -> None:
    for _ in range(round(seconds / RETRY)):
        await clock.advance(RETRY)
        for replica in taking_part:
            await replica.leases.run_round()


def held(*taking_part: Replica) -> list[int]:
    return [replica.tenures.held_count for replica in taking_part]


async def test_a_newcomer_gets_its_share_within_two_rounds_and_then_nothing_moves(cluster, clock) -> None:
    ada, bob, eve = replicas(cluster, clock, "abe")
    await rounds(clock, RETRY, ada)
    assert held(ada) == [6]

    await rounds(clock, 2 * RETRY, bob, ada)
    await rounds(clock, RETRY, bob)
    assert held(ada, bob) == [3, 3]

    await rounds(clock, 4 * RETRY, eve, ada, bob)
    assert held(ada, bob, eve) == [2, 2, 2]

    told = [len(replica.told) for replica in (ada, bob, eve)]
    await rounds(clock, 60, ada, bob, eve)
    assert [len(replica.told) for replica in (ada, bob, eve)] == told


async def test_a_shard_that_is_given_away_starts_nothing_new_and_goes_when_it_is_at_rest(cluster, clock) -> None:
    ada, bob = replicas(cluster, clock, "ab", shards=2)
    await rounds(clock, RETRY, ada)
    ada.restless = {0, 1}
    await rounds(clock, 2 * RETRY, bob, ada)

    assert ada.told[2:] == [("leaving", 0)]
    assert ada.tenures.tenure(0) is None
    assert (ada.tenures.holds(0), ada.tenures.may_start(0)) == (True, True)  # a call whose claim is written may be made
    assert held(ada, bob) == [2, 0]

    await rounds(clock, 12, bob, ada)
    assert ada.tenures.may_start(0)  # it is renewed as long as it is held

    ada.restless = {1}
    await rounds(clock, RETRY, ada, bob)
    assert ada.told[3:] == [("lost", 0)]
    assert held(ada, bob) == [1, 1]
    assert (ada.tenures.holds(0), bob.told) == (False, [("acquired", 0)])


async def test_the_shards_with_fewest_calls_go_first(cluster, clock) -> None:
    ada, bob = replicas(cluster, clock, "ab", shards=4)
    await rounds(clock, RETRY, ada)
    ada.loads = {0: 2, 2: 1}
    await rounds(clock, 2 * RETRY, bob, ada)

    assert [shard for said, shard in ada.told if said == "leaving"] == [1, 3]


async def test_a_shard_that_does_not_come_to_rest_goes_back_into_service_and_another_goes(cluster, clock) -> None:
    ada, bob = replicas(cluster, clock, "ab", shards=2)
    await rounds(clock, RETRY, ada)
    ada.restless = {0}
    epoch = ada.tenures.tenure(0).epoch
    await rounds(clock, PATIENCE + 4 * RETRY, bob, ada)

    assert ada.told[2:] == [("leaving", 0), ("acquired", 0), ("leaving", 1), ("lost", 1)]
    assert ada.tenures.tenure(0).epoch == epoch
    await rounds(clock, RETRY, bob)
    assert held(ada, bob) == [1, 1]


async def test_a_replica_that_leaves_is_no_member_any_more_and_the_others_share_what_it_had(cluster, clock) -> None:
    ada, bob, eve = replicas(cluster, clock, "abe")
    await rounds(clock, 6 * RETRY, ada, bob, eve)
    assert held(ada, bob, eve) == [2, 2, 2]

    ada.leases.leave()
    await ada.leases.run_round()
    await rounds(clock, RETRY, bob, eve)

    assert held(ada, bob, eve) == [0, 3, 3]
    assert ("leases", "ops", replica_name("a")) not in cluster.objects


async def test_a_leaver_keeps_a_busy_shard_until_it_rests_however_long_and_takes_nothing(cluster, clock) -> None:
    ada, bob = replicas(cluster, clock, "ab", shards=2)
    await rounds(clock, RETRY, ada)
    ada.restless = {1}
    ada.leases.leave()
    await rounds(clock, 3 * PATIENCE, ada, bob)
    assert held(ada, bob) == [1, 1]

    await ada.leases.release()
    await rounds(clock, RETRY, ada, bob)
    assert held(ada, bob) == [0, 2]


async def test_run_lets_a_leaving_shard_go_without_waiting_for_the_next_round(cluster, clock) -> None:
    [ada] = replicas(cluster, clock, "a", shards=2)
    ada.restless = {0}
    running = asyncio.create_task(ada.leases.run(lambda _: None))
    await clock.advance(RETRY / 2)
    ada.leases.leave()
    await settle()
    assert [lease(cluster, shard)["spec"]["holderIdentity"] for shard in (0, 1)] == ["a", ""]

    ada.restless = set()
    await clock.advance(0.05)
    assert lease(cluster, 0)["spec"]["holderIdentity"] == ""
    running.cancel()
    await settle()


async def test_a_dead_replica_s_share_is_taken_when_its_leases_have_run_out(cluster, clock) -> None:
    ada, bob = replicas(cluster, clock, "ab")
    await rounds(clock, 4 * RETRY, ada, bob)
    assert held(ada, bob) == [3, 3]

    await rounds(clock, DURATION + RETRY, bob)
    assert bob.tenures.held_count == 6


async def test_e07_the_lease_of_a_replica_is_removed_when_it_has_run_out(cluster, clock) -> None:
    ada, bob = replicas(cluster, clock, "ab")
    await rounds(clock, RETRY, ada, bob)
    await rounds(clock, DURATION - 2 * RETRY, bob)
    assert ("leases", "ops", replica_name("a")) in cluster.objects

    await rounds(clock, 3 * RETRY, bob)
    assert ("leases", "ops", replica_name("a")) not in cluster.objects


async def test_a_removed_lease_of_a_living_replica_comes_back(cluster, clock) -> None:
    [ada] = replicas(cluster, clock, "a")
    await rounds(clock, RETRY, ada)
    cluster.drop(LEASES, replica_name("a"), "ops")
    await rounds(clock, 8, ada)

    assert ("leases", "ops", replica_name("a")) in cluster.objects
    assert held(ada) == [6]


async def test_a_replica_that_cannot_take_anything_is_soon_not_counted_on(cluster, clock) -> None:
    ada, broken = replicas(cluster, clock, "ab", shards=4)
    cluster.fail("list", LOST)
    with pytest.raises(UnavailableError):
        await broken.leases.run_round()
    await rounds(clock, RETRY, ada)
    assert held(ada, broken) == [2, 0]

    for _ in range(round(DURATION / RETRY)):
        cluster.fail("list", LOST)
        with pytest.raises(UnavailableError):
            await broken.leases.run_round()
        await rounds(clock, RETRY, ada)
    await rounds(clock, RETRY, ada)
    assert ada.tenures.held_count == 4


async def test_a_take_whose_answer_was_lost_is_found_out_at_once(cluster, clock) -> None:
    [ada] = replicas(cluster, clock, "a", shards=1)
    cluster.fail("create", LOST, after=True, name="taskaction-shard-0")
    await ada.leases.run_round()
    assert not ada.tenures.may_start(0), "others may have fenced it since"
    await ada.leases.run_round()

    assert ada.told == [("acquired", 0)]
    assert ada.tenures.may_start(0)


async def test_a_take_whose_answer_and_inquiry_were_lost_is_found_out_in_the_next_round(cluster, clock) -> None:
    [ada] = replicas(cluster, clock, "a", shards=1)
    cluster.fail("create", LOST, after=True, name="taskaction-shard-0")
    cluster.fail("get", LOST)
    with pytest.raises(UnavailableError):
        await ada.leases.run_round()
    assert ada.told == []
    await rounds(clock, RETRY, ada)

    assert ada.told == [("acquired", 0)]


async def test_a_lease_that_a_former_process_of_the_same_name_holds_is_not_taken_for_an_own_one(cluster, clock) -> None:
    before, after = replicas(cluster, clock, "aa", shards=1)
    await before.leases.run_round()
    await after.leases.run_round()

    assert (after.told, after.tenures.held_count) == ([], 0)


async def test_giving_back_whose_answer_was_lost_is_found_out(cluster, clock) -> None:
    [ada] = replicas(cluster, clock, "a", shards=1)
    await ada.leases.run_round()
    cluster.fail("replace", LOST, after=True, name="taskaction-shard-0")
    ada.leases.leave()
    with pytest.raises(UnavailableError):
        await ada.leases.run_round()
    assert ada.tenures.held_count == 1
    await ada.leases.run_round()

    assert ada.tenures.held_count == 0
    assert ada.told == [("acquired", 0), ("leaving", 0), ("lost", 0)]


async def test_e09_nothing_is_remembered_of_replicas_that_have_stopped(cluster, clock) -> None:
    [ada] = replicas(cluster, clock, "a")
    await rounds(clock, RETRY, ada)
    before = container_sizes(ada.leases)
    for name in "bcdefg":
        [guest] = replicas(cluster, clock, name)
        await rounds(clock, 2 * RETRY, guest, ada)
        guest.leases.leave()
        await rounds(clock, 2 * RETRY, guest, ada)
    await rounds(clock, DURATION, ada)
    assert container_sizes(ada.leases)["_sightings._seen"] <= before["_sightings._seen"] + 6  # one for each shard


async def test_e09_acquisitions_at_which_others_were_faster_are_forgotten(cluster, clock) -> None:
    ada, bob = replicas(cluster, clock, "ab", shards=1)
    await rounds(clock, RETRY, bob)
    for _ in range(50):
        bob.leases.leave()
        await bob.leases.run_round()
        cluster.fail("replace", ConflictError("another one was faster"), name="taskaction-shard-0")
        await rounds(clock, RETRY, ada)
        [bob] = replicas(cluster, clock, "b", shards=1)
        await rounds(clock, RETRY, bob)
        await ada.leases.release()
    assert container_sizes(ada.leases)["_unheard[]"] <= 16
