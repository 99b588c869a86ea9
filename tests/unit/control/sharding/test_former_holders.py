"""What a Lease says of its former holders: since when each is gone, and which epochs their claims may have."""

from datetime import timedelta

import pytest

from support.fake_cluster import FakeCluster
from support.replicas import DURATION, RETRY, Replica, lease
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import LEASES
from taskaction.control.sharding.lease_bodies import acquire_lease_body, gone_since
from taskaction.core.constants import ACQUISITIONS_ANNOTATION, EPOCH_ANNOTATION
from taskaction.testing.clock import START, FakeClock

EPOCH = int(START.timestamp())


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.mark.parametrize(
    ("annotation", "epoch", "seconds"),
    [
        ("", EPOCH, 60),
        (f"{EPOCH}@{EPOCH}.000", EPOCH, 60),
        (f"{EPOCH}@{EPOCH}.000 {EPOCH + 20}@{EPOCH + 20}.500", EPOCH, 20.5),
        (f"{EPOCH}@{EPOCH}.000 {EPOCH + 20}@{EPOCH + 20}.500 {EPOCH + 30}@{EPOCH + 30}.000", EPOCH, 20.5),
        (f"{EPOCH + 20}@{EPOCH + 20}.500 {EPOCH + 30}@{EPOCH + 30}.000", EPOCH + 20, 30),
        (f"{EPOCH + 20}@{EPOCH + 20}.500", 7, 20.5),
        (f"{EPOCH + 90}@{EPOCH + 90}.000", EPOCH, 60),
        (f"nonsense @ {EPOCH}@ {EPOCH + 20}@{EPOCH + 20}.500", EPOCH, 20.5),
        (f"{EPOCH + 20}@{'9' * 12}.000", EPOCH, 60),
    ],
    ids=[
        "nothing on record",
        "still there",
        "one later holder",
        "the first of two later holders",
        "the last but one",
        "older than what is on record",
        "a later holder whose clock is ahead",
        "edited by hand",
        "a time that is none",
    ],
)
def test_a_holder_is_gone_since_the_next_acquisition(annotation, epoch, seconds) -> None:
    body = {"metadata": {"annotations": {ACQUISITIONS_ANNOTATION: annotation}}}

    assert gone_since(body, epoch, START + timedelta(seconds=60)) == START + timedelta(seconds=seconds)


def test_a_lease_keeps_a_bounded_number_of_acquisitions() -> None:
    body = None
    for second in range(100):
        body = acquire_lease_body(0, body, "ada", 15, EPOCH + second, START + timedelta(seconds=second))

    kept = body["metadata"]["annotations"][ACQUISITIONS_ANNOTATION].split()
    assert (len(kept), kept[-1]) == (16, f"{EPOCH + 99}@{EPOCH + 99}.000")


async def test_the_third_owner_knows_since_when_the_first_is_gone(cluster) -> None:
    clock = FakeClock()
    ada, bob, cyd = (Replica(cluster, name, clock) for name in ("ada", "bob", "cyd"))
    await ada.leases.run_round()
    epoch = ada.tenures.tenure(0).epoch
    await bob.leases.run_round()
    await bob.rounds(DURATION + RETRY)
    acquired = clock.now()
    assert bob.tenures.gone_since(0, epoch) == acquired

    await clock.advance(5)
    await bob.leases.release()
    await cyd.rounds(2 * DURATION)

    assert cyd.tenures.gone_since(0, epoch) == acquired
    assert cyd.tenures.gone_since(0, cyd.tenures.tenure(0).epoch - 1) > acquired


async def test_e06_a_lease_is_acquired_above_the_claims_of_a_holder_whose_clock_was_ahead(cluster) -> None:
    ada = Replica(cluster, "ada")
    await ada.leases.run_round()
    ahead = EPOCH + 3600
    ada.tenures.on_claim_seen(0, ahead)
    assert not ada.tenures.may_start(0)

    await ada.leases.run_round()

    assert ada.tenures.may_start(0)
    assert ada.tenures.tenure(0).epoch == ahead + 1
    assert lease(cluster)["metadata"]["annotations"][EPOCH_ANNOTATION] == str(ahead + 1)
    assert (ada.told, ada.renewed) == ([("acquired", 0)], [0])


async def test_e06_a_lease_that_was_lost_meanwhile_is_not_taken_back(cluster) -> None:
    ada = Replica(cluster, "ada")
    await ada.leases.run_round()
    body = lease(cluster)
    cluster.store(LEASES, body | {"spec": body["spec"] | {"holderIdentity": "bob"}})
    ada.tenures.on_claim_seen(0, EPOCH + 3600)
    await ada.leases.run_round()

    assert ada.told == [("acquired", 0), ("lost", 0)]


async def test_e06_a_raised_epoch_whose_answer_was_lost_is_adopted(cluster) -> None:
    ada = Replica(cluster, "ada")
    await ada.leases.run_round()
    ada.tenures.on_claim_seen(0, EPOCH + 3600)
    cluster.fail("replace", UnavailableError("the answer was lost"), after=True, name="taskaction-shard-0")
    with pytest.raises(UnavailableError):
        await ada.leases.run_round()
    await ada.leases.run_round()
    assert not ada.tenures.may_start(0), "others may have fenced it since"
    await ada.leases.run_round()

    assert ada.tenures.may_start(0)
    assert ada.tenures.tenure(0).epoch == EPOCH + 3601
