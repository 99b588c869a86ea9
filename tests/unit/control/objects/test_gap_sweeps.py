"""Gaps of watches cost at most two sweeps of a kind, however many namespaces they show up in."""

import asyncio

import pytest

from taskaction.control.objects.background import Background
from taskaction.control.objects.gap_sweeps import GapSweeps
from taskaction.testing.clock import settle

NAMESPACES = 50


class Gaps:
    """Sweeps of two kinds that take until ``release`` is set."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.swept: list[str] = []
        self.failures: list[str] = []
        self.error: Exception | None = None
        background = Background(lambda task, _: self.failures.append(task))
        self.sweeps = GapSweeps(background, {"pods": lambda: self.sweep("pods"), "jobs": lambda: self.sweep("jobs")})

    async def sweep(self, plural: str) -> None:
        self.swept.append(plural)
        await self.release.wait()
        if self.error is not None:
            raise self.error


@pytest.fixture
async def gaps() -> Gaps:
    return Gaps()


async def test_gaps_in_many_namespaces_cost_two_sweeps_of_each_kind(gaps: Gaps) -> None:
    for _ in range(NAMESPACES):
        gaps.sweeps.request("pods")
        gaps.sweeps.request("jobs")
        await settle()
    assert gaps.swept == ["pods", "jobs"]

    gaps.release.set()
    await settle()
    assert sorted(gaps.swept) == ["jobs", "jobs", "pods", "pods"], "the second ones see what the first ones missed"


async def test_a_later_gap_is_swept_again(gaps: Gaps) -> None:
    gaps.release.set()
    for _ in range(2):
        gaps.sweeps.request("pods")
        await settle()
    assert gaps.swept == ["pods", "pods"]


async def test_a_sweep_that_failed_is_reported_and_stops_no_later_one(gaps: Gaps) -> None:
    gaps.error = RuntimeError("away")
    gaps.release.set()
    for _ in range(2):
        gaps.sweeps.request("pods")
        await settle()
    assert gaps.swept == ["pods", "pods"]
    assert gaps.failures == ["sweep pods after a gap"] * 2


async def test_a_kind_without_a_sweep_is_left_alone(gaps: Gaps) -> None:
    gaps.sweeps.request("leases")
    await settle()
    assert gaps.swept == []
