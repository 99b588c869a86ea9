"""Whether a foreign Lease has expired: watched long enough, and not renewed for its duration."""

from datetime import timedelta

import pytest

from support.replicas import DURATION
from taskaction.cluster.gateway import Body, ServerTime
from taskaction.control.sharding import lease_bodies
from taskaction.control.sharding.clock_guard import TOLERANCE_SECONDS, ClockGuard
from taskaction.control.sharding.sightings import LeaseSightings
from taskaction.testing.clock import START, FakeClock

HALF = DURATION / 2
LIST_SECONDS = 1.5


def renewed(ago: float, holder: str = "ada") -> Body:
    """Return a Lease that its holder renewed ``ago`` seconds before the start, by the holder's clock."""
    return lease_bodies.acquire_lease_body(0, None, holder, DURATION, 1, START - timedelta(seconds=ago))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sightings(clock) -> LeaseSightings:
    guard = ClockGuard(clock)
    guard.update(ServerTime(START.timestamp(), clock.monotonic()))
    return sightings_of(clock, guard)


def sightings_of(clock: FakeClock, guard: ClockGuard) -> LeaseSightings:
    return LeaseSightings(clock, guard, default_duration=DURATION, list_seconds=LIST_SECONDS)


@pytest.mark.parametrize(
    ("silent_before", "watched", "expired"),
    [
        (0.0, DURATION - 0.1, False),
        (0.0, DURATION, True),
        (TOLERANCE_SECONDS, DURATION - 0.1, False),
        (TOLERANCE_SECONDS + 3.0, DURATION - 3.1, False),
        (TOLERANCE_SECONDS + 3.0, DURATION - 3.0, True),
        (TOLERANCE_SECONDS + DURATION, HALF - 0.1, False),
        (TOLERANCE_SECONDS + DURATION, HALF, True),
        (3600.0, 0.0, False),
        (3600.0, HALF, True),
        (-3600.0, DURATION - 0.1, False),
        (-3600.0, DURATION, True),
    ],
)
async def test_a_lease_expires_by_the_time_before_its_first_sight_too(
    clock, sightings, silent_before, watched, expired
) -> None:
    lease = renewed(silent_before)
    assert not sightings.is_expired(lease), "nothing was watched yet"
    await clock.advance(watched)

    assert sightings.is_expired(lease) is expired


async def test_a_holder_that_renews_while_it_is_watched_has_its_whole_duration(clock, sightings) -> None:
    sightings.is_expired(renewed(3600.0))
    await clock.advance(HALF)
    assert not sightings.is_expired(renewed(3599.0)), "its clock is an hour behind, and it lives"
    await clock.advance(DURATION - 0.1)
    assert not sightings.is_expired(renewed(3599.0))
    await clock.advance(0.1)

    assert sightings.is_expired(renewed(3599.0))


@pytest.mark.parametrize("renew_time", [None, "", "yesterday", "2026-13-01T00:00:00.000000Z"])
async def test_a_renew_time_that_cannot_be_read_counts_as_now(clock, sightings, renew_time) -> None:
    lease = renewed(0.0)
    lease["spec"]["renewTime"] = renew_time
    sightings.is_expired(lease)
    await clock.advance(DURATION - 0.1)
    assert not sightings.is_expired(lease)
    await clock.advance(0.1)

    assert sightings.is_expired(lease)


async def test_renew_times_do_not_count_while_the_time_of_the_api_server_is_unknown(clock) -> None:
    sightings = sightings_of(clock, ClockGuard(clock))
    sightings.is_expired(renewed(3600.0))
    await clock.advance(DURATION - 0.1)

    assert not sightings.is_expired(renewed(3600.0))


async def test_a_lease_that_was_forgotten_is_watched_anew(clock, sightings) -> None:
    sightings.is_expired(renewed(0.0))
    await clock.advance(DURATION)
    sightings.forget(lease_bodies.shard_name(0))

    assert not sightings.is_expired(renewed(0.0))


async def test_time_without_lists_is_not_held_against_holders(clock, sightings) -> None:
    sightings.on_list()
    sightings.is_expired(renewed(0.0))
    await clock.advance(3600)
    sightings.on_list()
    assert not sightings.is_expired(renewed(0.0)), "the API server was away for the holder, too"

    for _ in range(9):
        await clock.advance(LIST_SECONDS)
        sightings.on_list()
    assert sightings.is_expired(renewed(0.0))


async def test_slow_lists_delay_a_take_over_and_do_not_prevent_it(clock, sightings) -> None:
    for _ in range(10):
        sightings.on_list()
        sightings.is_expired(renewed(0.0))
        await clock.advance(5)
    sightings.on_list()

    assert sightings.is_expired(renewed(0.0))


async def test_a_lease_is_missing_when_no_list_had_it_for_the_duration_of_one(clock, sightings) -> None:
    assert not sightings.is_missing("taskaction-shard-0")
    await clock.advance(DURATION)
    assert sightings.is_missing("taskaction-shard-0")
    sightings.is_expired(renewed(0.0))

    assert not sightings.is_missing("taskaction-shard-0"), "it was there"
