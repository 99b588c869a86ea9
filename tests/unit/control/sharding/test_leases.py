"""Ownership of shards: taken when free, kept by renewing the Lease of the replica."""

import asyncio

import pytest

from support.fake_cluster import FakeCluster
from support.replicas import DEADLINE, DURATION, RETRY, Replica, lease
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import LEASES
from taskaction.control.sharding.lease_bodies import replica_name
from taskaction.testing.clock import START, settle

DOWN = UnavailableError("the API server is away")


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def ada(cluster) -> Replica:
    return Replica(cluster, "ada")


async def test_free_shards_are_taken_at_once(cluster) -> None:
    ada = Replica(cluster, "ada", shards=3)
    await ada.leases.run_round()

    assert ada.told == [("acquired", 0), ("acquired", 1), ("acquired", 2)]
    assert [ada.tenures.may_start(shard) for shard in range(4)] == [True, True, True, False]
    assert lease(cluster, 1)["spec"]["holderIdentity"] == "ada"
    assert lease(cluster, 1)["spec"]["leaseDurationSeconds"] == 15


async def test_a_shard_has_one_owner_when_two_replicas_start_together(cluster, ada) -> None:
    bob = Replica(cluster, "bob")
    await ada.leases.run_round()
    await bob.leases.run_round()

    assert (ada.tenures.held_count, bob.tenures.held_count) == (1, 0)


async def test_whoever_comes_second_to_a_free_shard_does_without_it(cluster, ada) -> None:
    bob = Replica(cluster, "bob")
    list_seen = []

    def bob_is_slow(verb: str, name: str) -> None:
        if verb == "create" and "shard" in name and not list_seen:
            list_seen.append(name)
            cluster.store(LEASES, {"metadata": {"name": name, "namespace": "ops"}, "spec": {"holderIdentity": "ada"}})

    cluster.meanwhile = bob_is_slow
    await bob.leases.run_round()

    assert (bob.tenures.held_count, bob.told) == (0, [])


async def test_a_lease_that_has_lost_its_label_is_found_by_its_name_and_gets_it_back(cluster, ada) -> None:
    await ada.leases.run_round()
    await ada.leases.release()
    lease(cluster)["metadata"].pop("labels")
    bob = Replica(cluster, "bob", ada.clock)
    await bob.leases.run_round()

    assert bob.tenures.held_count == 1
    assert lease(cluster)["metadata"]["labels"]["taskaction.dev/lease"] == "shard"


async def test_the_lease_of_a_replica_that_renews_is_never_taken(cluster, ada) -> None:
    bob = Replica(cluster, "bob", ada.clock)
    await ada.leases.run_round()
    for _ in range(30):
        await ada.rounds(RETRY)
        await bob.leases.run_round()

    assert (ada.tenures.held_count, bob.tenures.held_count) == (1, 0)
    assert ada.tenures.may_start(0)


async def test_a_lease_is_renewed_when_a_third_of_its_duration_has_passed(cluster, ada) -> None:
    await ada.leases.run_round()
    await ada.rounds(4)
    assert cluster.count("replace") == 0
    await ada.rounds(2)
    assert [name for verb, name in cluster.calls if verb == "replace"] == [replica_name("ada")], "for all its shards"


async def test_a_dead_replica_s_lease_is_taken_one_duration_after_its_last_change_was_seen(cluster, ada) -> None:
    await ada.leases.run_round()
    bob = Replica(cluster, "bob")
    await bob.leases.run_round()
    await bob.rounds(14)
    assert bob.tenures.held_count == 0

    await bob.rounds(2)
    assert bob.told == [("acquired", 0)]
    assert lease(cluster)["spec"]["leaseTransitions"] == 2


@pytest.mark.parametrize("renewed", ["2020-01-01T00:00:00.000000Z", "2036-01-01T00:00:00.000000Z"])
async def test_a_holder_s_wrong_wall_clock_neither_loses_nor_keeps_a_lease(cluster, ada, renewed) -> None:
    await ada.leases.run_round()
    body = lease(cluster)
    cluster.store(LEASES, body | {"spec": body["spec"] | {"renewTime": renewed}})
    bob = Replica(cluster, "bob")
    await bob.leases.run_round()
    assert bob.tenures.held_count == 0

    await bob.rounds(16)
    assert bob.tenures.held_count == 1


async def test_nothing_starts_past_the_renew_deadline_although_the_shard_is_still_owned(ada, cluster) -> None:
    await ada.leases.run_round()
    await ada.clock.advance(DEADLINE - 0.001)
    assert ada.tenures.may_start(0)

    await ada.clock.advance(3.001)

    assert not ada.tenures.may_start(0)
    assert ada.tenures.tenure(0) is not None


async def test_a_renewal_after_the_deadline_lets_work_start_again(ada, cluster) -> None:
    await ada.leases.run_round()
    await ada.clock.advance(60)
    await ada.leases.run_round()

    assert ada.tenures.may_start(0)
    assert ada.told == [("acquired", 0)]


async def test_a_renewal_counts_from_when_it_was_sent_and_not_from_its_answer(ada, cluster) -> None:
    await ada.leases.run_round()
    await ada.clock.advance(6)

    def slow(verb: str, name: str) -> None:
        if verb == "replace":
            ada.clock._pass(4)

    cluster.meanwhile = slow
    await ada.leases.run_round()
    await ada.clock.advance(DEADLINE - 4)

    assert not ada.tenures.may_start(0)


async def test_a_jump_of_the_wall_clock_changes_nothing(ada, cluster) -> None:
    await ada.leases.run_round()
    ada.clock.set_wall(START.replace(year=2030))

    assert ada.tenures.may_start(0)


async def test_a_failed_renewal_is_raised_and_the_shard_kept(ada, cluster) -> None:
    await ada.leases.run_round()
    await ada.clock.advance(6)
    cluster.fail("replace", DOWN)
    with pytest.raises(UnavailableError):
        await ada.leases.run_round()

    assert ada.tenures.held_count == 1
    await ada.leases.run_round()
    await ada.clock.advance(DEADLINE - 0.001)
    assert ada.tenures.may_start(0)


async def test_a_shard_that_cannot_be_verified_does_not_keep_the_others_from_work(cluster) -> None:
    ada = Replica(cluster, "ada", shards=3)
    await ada.leases.run_round()
    cluster.drop(LEASES, replica_name("ada"), "ops")
    await ada.rounds(6)
    cluster.fail("replace", DOWN, name="taskaction-shard-0")
    with pytest.raises(UnavailableError):
        await ada.leases.run_round()

    assert [ada.tenures.may_start(shard) for shard in range(3)] == [False, True, True]


async def test_a_renewal_whose_answer_was_lost_costs_no_ownership(ada, cluster) -> None:
    await ada.leases.run_round()
    await ada.clock.advance(6)
    cluster.fail("replace", DOWN, after=True)
    with pytest.raises(UnavailableError):
        await ada.leases.run_round()
    await ada.leases.run_round()  # finds its own unheard renewal
    await ada.leases.run_round()

    assert ada.told == [("acquired", 0)]
    assert ada.tenures.may_start(0)
    await ada.clock.advance(DEADLINE - 0.001)
    assert ada.tenures.may_start(0)


async def test_a_failing_api_server_is_reported_and_tried_again_until_the_end(ada, cluster) -> None:
    errors: list[Exception] = []
    cluster.fail("list", DOWN, DOWN)
    task = asyncio.create_task(ada.leases.run(errors.append))
    await ada.clock.advance(RETRY)
    assert (errors, ada.tenures.held_count) == ([DOWN, DOWN], 0)

    await ada.clock.advance(RETRY)
    assert ada.tenures.held_count == 1

    task.cancel()
    await settle()
    assert task.cancelled()


async def test_a_replica_that_cannot_list_verifies_its_shards_one_by_one(ada, cluster) -> None:
    await ada.leases.run_round()
    for _ in range(10):
        cluster.fail("list", DOWN)
        with pytest.raises(UnavailableError):
            await ada.rounds(RETRY)
    assert ada.tenures.may_start(0)

    cluster.fail("list", *[DOWN] * 4)
    cluster.fail("replace", *[DOWN] * 4, name="taskaction-shard-0")
    for _ in range(4):
        await ada.clock.advance(3)
        with pytest.raises(UnavailableError):
            await ada.leases.run_round()
    assert not ada.tenures.may_start(0), "a replica of the former release may have taken it"


async def test_the_shards_of_a_former_process_of_the_same_identity_go_to_whoever_has_room(cluster) -> None:
    ada, bob = Replica(cluster, "ada", shards=4), Replica(cluster, "bob", shards=4)
    await ada.leases.run_round()
    reborn = Replica(cluster, "ada", shards=4)
    for _ in range(round(3 * DURATION / RETRY)):
        await reborn.clock.advance(RETRY)
        await bob.clock.advance(RETRY)
        await reborn.leases.run_round()
        await bob.leases.run_round()

    assert (reborn.tenures.held_count, bob.tenures.held_count) == (2, 2)
