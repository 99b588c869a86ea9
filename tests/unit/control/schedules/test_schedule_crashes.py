"""A crash at any request, a second replica and a lost Lease: no time of a schedule is lost, and none runs twice."""

import asyncio
from datetime import timedelta

import pytest

from support.fake_cluster import FakeCluster
from support.flow_crashes import LEASES, Crash
from support.memory_operator import MemoryOperator
from support.schedule_stage import Births, at, begin, schedule_body, schedule_of
from taskaction.testing.clock import FakeClock

TIMES = [10.0, 20.0]
EVERYTHING = {"policy": "All", "limit": 10}
MOST_REQUESTS = 50
AT_ONCE = {"spec": {"executor": "noop", "ttlSecondsAfterFinished": 0}}
"""So that an object is deleted as soon as it may be: while it exists, its name alone would prevent a second one."""


async def until_crash(crash: Crash, operator: MemoryOperator) -> None:
    """Let time pass until the crash, after which nothing is answered, or until the schedule has ended."""
    passing = asyncio.create_task(operator.pass_time(TIMES[-1] + 5, step=1))
    dying = asyncio.create_task(crash.happened.wait())
    await asyncio.wait({passing, dying}, return_when=asyncio.FIRST_COMPLETED)
    for task in (passing, dying):
        task.cancel()
    await asyncio.gather(passing, dying, return_exceptions=True)


async def survived(crash_at: int, *, after: bool) -> tuple[Births, FakeCluster, bool]:
    """Run a schedule with a crash at a request, and a second operator to its end."""
    cluster, clock = FakeCluster(), FakeClock()
    births = Births(cluster)
    settings = {**LEASES, "scan_interval": timedelta(seconds=10)}
    body = schedule_body(
        template=AT_ONCE, catchUp=EVERYTHING, successfulHistoryLimit=0, endAt=at(TIMES[-1]).isoformat()
    )
    async with MemoryOperator(cluster=cluster, clock=clock, **settings) as first:
        crash = Crash(cluster, crash_at, after=after)
        await begin(first, body)
        await until_crash(crash, first)
    cluster.meanwhile = None
    cluster.faults.clear()
    cluster.open()
    async with MemoryOperator(cluster=cluster, clock=clock, **settings) as second:
        await second.pass_time(40, step=1)
    return births, cluster, crash.happened.is_set()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("crash_at", range(1, MOST_REQUESTS))
async def test_a_crash_at_any_request_repeats_and_loses_no_time(crash_at: int, *, after: bool) -> None:
    births, cluster, _ = await survived(crash_at, after=after)
    assert births.seconds == TIMES
    status = schedule_of(cluster).status
    assert (status.last_scheduled_time, status.missed) == (at(TIMES[-1]), 0)


async def test_the_crashes_are_at_all_requests() -> None:
    *_, crashed = await survived(MOST_REQUESTS - 10, after=False)
    assert crashed
    *_, crashed = await survived(MOST_REQUESTS, after=False)
    assert not crashed


async def test_two_replicas_make_each_time_once() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    births = Births(cluster)
    names = [f"s{number}" for number in range(8)]
    async with (
        MemoryOperator(cluster=cluster, clock=clock, identity="one", **LEASES) as one,
        MemoryOperator(cluster=cluster, clock=clock, identity="two", **LEASES) as two,
    ):
        await begin(one, *(schedule_body(name) for name in names))
        for _ in range(21):
            await one.pass_time(0.5)
            await two.control.leases.run_round()
            await two.settle()
            await one.pass_time(0.5)
            await two.settle()
        held = [operator.control.tenures.held_count for operator in (one, two)]
        assert min(held) > 0
    assert sorted(births.seconds) == sorted(TIMES * len(names))
    assert len(set(births.names)) == len(births.names)
