"""Clocks: the machine's own one, and the one that tests move by hand, keep the same promises."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from taskaction.api.base import format_time
from taskaction.core.clock import Clock, SystemClock
from taskaction.testing.clock import START, FakeClock, settle


@pytest.fixture
def fake() -> FakeClock:
    return FakeClock()


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()], ids=["system", "fake"])
def test_wall_time_is_in_utc_and_reads_back_equal_from_a_record(clock: Clock) -> None:
    now = clock.now()

    assert now.tzinfo is UTC
    assert datetime.fromisoformat(format_time(now)) == now


def test_the_system_s_wall_time_is_now() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()

    assert before - timedelta(milliseconds=1) < now <= datetime.now(UTC)


def test_the_system_s_monotonic_time_never_goes_back_and_passes_during_a_sleep() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    asyncio.run(clock.sleep(0.01))

    assert clock.monotonic() - before >= 0.009


async def test_a_moved_clock_moves_both_times(fake) -> None:
    before = fake.monotonic()
    await fake.advance(1.5)

    assert fake.now() == START + timedelta(seconds=1.5)
    assert fake.monotonic() == before + 1.5


async def test_monotonic_time_does_not_notice_a_corrected_wall_clock(fake) -> None:
    before = fake.monotonic()
    fake.set_wall(START - timedelta(days=1))

    assert fake.monotonic() == before
    assert fake.now() == START - timedelta(days=1)


async def test_sleepers_wake_each_at_its_time_and_no_sooner(fake) -> None:
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, *naps: float) -> None:
        for nap in naps:
            await fake.sleep(nap)
            woken.append((name, (fake.now() - START).total_seconds()))

    tasks = [asyncio.create_task(sleep("long", 3)), asyncio.create_task(sleep("twice", 1, 1))]
    await settle()
    assert (fake.sleepers, woken) == (2, [])

    await fake.advance(0.5)
    assert woken == []
    await fake.advance(9.5)

    assert woken == [("twice", 1), ("twice", 2), ("long", 3)]
    assert all(task.done() for task in tasks)
    assert fake.asked == [3, 1, 1]


async def test_a_sleep_of_nothing_lets_others_go_and_returns(fake) -> None:
    async with asyncio.timeout(5):
        await fake.sleep(0)

    assert fake.now() == START


async def test_a_cancelled_sleeper_is_no_sleeper(fake) -> None:
    task = asyncio.create_task(fake.sleep(1))
    await settle()
    task.cancel()
    await settle()
    await fake.advance(2)

    assert task.cancelled()
    assert fake.sleepers == 0
