"""Ownership of shards under pauses, crashes, lost answers, an API server that is away, and deleted Leases."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.lease_worlds import SHARDS, STEP, LeaseWorld

FAULT_SECONDS, CALM_SECONDS = 90.0, 60.0
LEASES = {"default": (6.0, 4.0), "long": (60.0, 40.0)}


async def let_things_go_wrong(world: LeaseWorld, *, with_former: bool) -> None:
    """Play faults at random; after each step no shard may have two owners."""
    dice, away_until, paused_until = world.dice, 0.0, dict[str, float]()
    for number in range(3):
        world.start(is_former=with_former and number == 0)
    for _ in range(round(FAULT_SECONDS / STEP)):
        now = world.clock.monotonic()
        if dice.random() < 0.01:
            away_until = now + dice.uniform(1.0, 14.0)
        world.is_away = now < away_until
        for member in list(world.members):
            if member.is_paused and now >= paused_until[member.identity]:
                world.resume(member)
            elif not member.is_paused and dice.random() < 0.01:
                paused_until[member.identity] = now + dice.choice([1.0, 3.0, 8.0, 20.0])
                world.pause(member)
            elif dice.random() < 0.004:
                world.kill(member)
        if len(world.members) < 2 or dice.random() < 0.005:
            world.start(is_former=with_former and dice.random() < 0.4)
        if dice.random() < 0.01:
            world.drop_a_lease()
        await world.clock.advance(STEP)
        assert_one_owner_each(world)


def assert_one_owner_each(world: LeaseWorld) -> None:
    for shard in range(SHARDS):
        assert len(world.owners(shard)) <= 1, "\n".join([*world.history[-12:], f"shard {shard}: {world.owners(shard)}"])


async def calm_down(world: LeaseWorld, seconds: float) -> None:
    world.is_away, world.loss, world.lateness = False, 0.0, 0.0
    for member in list(world.members):
        if member.is_paused:
            world.resume(member)
        if member.identity.startswith("old"):
            world.kill(member)
    if not world.members:
        world.start()
    for _ in range(round(seconds / STEP)):
        await world.clock.advance(STEP)
        assert_one_owner_each(world)


@pytest.mark.parametrize("lease", LEASES)
@pytest.mark.parametrize("with_former", [False, True], ids=["one release", "beside the former release"])
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32))
async def test_no_shard_has_two_owners_and_in_the_end_each_has_one(seed: int, with_former: bool, lease: str) -> None:
    duration, renew_deadline = LEASES[lease]
    world = LeaseWorld(seed, duration=duration, renew_deadline=renew_deadline)
    try:
        await let_things_go_wrong(world, with_former=with_former)
        await calm_down(world, CALM_SECONDS + 3 * duration)
        assert [len(world.owners(shard)) for shard in range(SHARDS)] == [1] * SHARDS, "\n".join(world.history)
    finally:
        await world.end()
