"""Shards that change hands: stolen, deleted or given back, each time with a higher epoch."""

import pytest

from support.fake_cluster import FakeCluster
from support.replicas import DURATION, RETRY, Replica, lease
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import LEASES
from taskaction.control.sharding.lease_bodies import LABELS
from taskaction.core.constants import EPOCH_ANNOTATION
from taskaction.testing.clock import START, FakeClock

NOW_EPOCH = int(START.timestamp())


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def ada(cluster) -> Replica:
    return Replica(cluster, "ada")


def epoch(cluster: FakeCluster) -> int:
    return int(lease(cluster)["metadata"]["annotations"][EPOCH_ANNOTATION])


def given_away(cluster: FakeCluster, holder: str, **annotations: str) -> None:
    """Let somebody else hold shard 0, as if this process had slept through it."""
    metadata = {"name": "taskaction-shard-0", "namespace": "ops", "labels": LABELS, "annotations": annotations}
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": "then"}
    cluster.store(LEASES, {"metadata": metadata, "spec": spec})


async def test_a_stolen_lease_is_noticed_at_the_next_renewal(ada, cluster) -> None:
    await ada.leases.run_round()
    given_away(cluster, "bob")
    await ada.rounds(6)

    assert ada.told == [("acquired", 0), ("lost", 0)]
    assert not ada.tenures.may_start(0)
    assert ada.tenures.tenure(0) is None
    assert lease(cluster)["spec"]["holderIdentity"] == "bob"


async def test_a_lease_that_a_namesake_holds_under_another_epoch_is_lost(ada, cluster) -> None:
    await ada.leases.run_round()
    given_away(cluster, "ada", **{EPOCH_ANNOTATION: str(NOW_EPOCH + 7)})
    await ada.rounds(6)

    assert ada.told == [("acquired", 0), ("lost", 0)]


async def test_a_process_that_slept_past_its_lease_does_not_get_in_its_successor_s_way(ada, cluster) -> None:
    await ada.leases.run_round()
    bob = Replica(cluster, "bob")
    await bob.leases.run_round()
    await bob.rounds(DURATION + RETRY)
    assert bob.tenures.may_start(0)

    await ada.clock.advance(DURATION + RETRY)
    assert not ada.tenures.may_start(0)
    await ada.leases.run_round()

    assert ada.told[-1] == ("lost", 0)
    assert bob.tenures.may_start(0)


async def test_a_deleted_lease_is_lost_and_taken_anew(ada, cluster) -> None:
    await ada.leases.run_round()
    cluster.drop(LEASES, "taskaction-shard-0", "ops")
    await ada.rounds(6)

    assert ada.told == [("acquired", 0), ("lost", 0), ("acquired", 0)]


async def test_a_lost_shard_is_taken_back_when_the_thief_is_dead(ada, cluster) -> None:
    await ada.leases.run_round()
    given_away(cluster, "bob")
    await ada.rounds(6 + DURATION + RETRY)

    assert ada.told == [("acquired", 0), ("lost", 0), ("acquired", 0)]


async def test_leases_that_are_given_back_may_be_taken_at_once(cluster, ada) -> None:
    await ada.leases.run_round()
    await ada.leases.release()
    bob = Replica(cluster, "bob")
    await bob.leases.run_round()

    assert (ada.tenures.held_count, bob.tenures.held_count) == (0, 1)
    assert not ada.tenures.may_start(0)


async def test_giving_back_never_takes_away_what_another_process_holds_by_now(cluster, ada) -> None:
    await ada.leases.run_round()
    given_away(cluster, "bob")
    await ada.leases.release()

    assert lease(cluster)["spec"]["holderIdentity"] == "bob"


async def test_a_lease_that_cannot_be_given_back_keeps_no_other_from_it(cluster) -> None:
    ada = Replica(cluster, "ada", shards=3)
    await ada.leases.run_round()
    cluster.fail("replace", UnavailableError("away"), name="taskaction-shard-1")
    await ada.leases.release()

    assert [lease(cluster, shard)["spec"]["holderIdentity"] for shard in range(3)] == ["", "ada", ""]


@pytest.mark.parametrize(
    ("before", "wall", "expected"),
    [
        (None, 0, NOW_EPOCH),
        ({}, 0, NOW_EPOCH),
        ({EPOCH_ANNOTATION: "7"}, 0, NOW_EPOCH),
        ({EPOCH_ANNOTATION: "no number"}, 0, NOW_EPOCH),
        ({EPOCH_ANNOTATION: str(NOW_EPOCH)}, 0, NOW_EPOCH + 1),
        ({EPOCH_ANNOTATION: str(NOW_EPOCH + 500)}, 0, NOW_EPOCH + 501),
        ({EPOCH_ANNOTATION: str(NOW_EPOCH)}, 60, NOW_EPOCH + 60),
    ],
    ids=[
        "no lease: the time",
        "no epoch: the time",
        "an old epoch: the time",
        "an unreadable epoch: the time",
        "taken within the same second: one more",
        "taken by a clock that runs ahead: one more",
        "taken a minute ago: the time",
    ],
)
async def test_an_epoch_is_above_all_before_it_and_not_below_the_time(cluster, before, wall, expected) -> None:
    if before is not None:
        given_away(cluster, "", **before)
    ada = Replica(cluster, "ada")
    await ada.clock.advance(wall)
    await ada.leases.run_round()

    tenure = ada.tenures.tenure(0)
    assert tenure is not None
    assert (tenure.epoch, epoch(cluster)) == (expected, expected)


async def test_epochs_only_grow_however_often_a_shard_changes_hands(cluster) -> None:
    clock = FakeClock()
    epochs = []
    for identity in "abcabc":
        replica = Replica(cluster, identity, clock)
        await replica.leases.run_round()
        epochs.append(epoch(cluster))
        await replica.leases.release()

    assert epochs == sorted(set(epochs))


async def test_a_renewal_keeps_the_epoch(ada, cluster) -> None:
    await ada.leases.run_round()
    await ada.rounds(60)

    assert cluster.count("replace") > 5
    assert epoch(cluster) == NOW_EPOCH
