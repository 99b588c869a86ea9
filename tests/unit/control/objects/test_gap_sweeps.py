"""Gaps of watches cost at most two sweeps of a kind, however many namespaces they show up in, and none is forgotten."""

import asyncio

import pytest

from taskaction.control.objects.background import Background
from taskaction.control.objects.gap_sweeps import GapSweeps
from taskaction.testing.clock import FakeClock, settle

NAMESPACES = 50


class Gaps:
    """Sweeps of two kinds that take until ``release`` is set."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.swept: list[str] = []
        self.failures: list[str] = []
        self.errors: list[Exception] = []
        self.clock = FakeClock()
        self.sweeps = GapSweeps(
            clock=self.clock,
            jitter=lambda: 0.0,
            background=Background(self.on_task_failed),
            recorder=self,
            sweeps={"pods": lambda: self.sweep("pods"), "jobs": lambda: self.sweep("jobs")},
        )

    def on_task_failed(self, task: str, error: BaseException) -> None:
        self.failures.append(f"{task}: {error}")

    async def sweep(self, plural: str) -> None:
        self.swept.append(plural)
        await self.release.wait()
        if self.errors:
            raise self.errors.pop(0)


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


async def test_a_sweep_that_failed_is_reported_and_repeated_after_growing_pauses(gaps: Gaps) -> None:
    gaps.errors = [RuntimeError("away"), RuntimeError("still away")]
    gaps.release.set()
    gaps.sweeps.request("pods")
    await settle()
    assert gaps.swept == ["pods"]
    assert gaps.failures == ["sweep pods after a gap: away"]

    await gaps.clock.advance(1)
    assert gaps.failures == ["sweep pods after a gap: away", "sweep pods after a gap: still away"]
    await gaps.clock.advance(1)
    assert len(gaps.swept) == 2, "the second pause is longer"
    await gaps.clock.advance(1)
    assert gaps.swept == ["pods"] * 3

    await gaps.clock.advance(600)
    assert gaps.swept == ["pods"] * 3, "it succeeded"


async def test_a_gap_during_the_pause_costs_one_more_sweep(gaps: Gaps) -> None:
    gaps.errors = [RuntimeError("away")]
    gaps.release.set()
    gaps.sweeps.request("pods")
    await settle()
    for _ in range(NAMESPACES):
        gaps.sweeps.request("pods")
    await gaps.clock.advance(1)
    assert gaps.swept == ["pods"] * 3


async def test_the_pause_of_one_kind_delays_no_other(gaps: Gaps) -> None:
    gaps.errors = [RuntimeError("away")]
    gaps.release.set()
    gaps.sweeps.request("pods")
    gaps.sweeps.request("jobs")
    await settle()
    assert gaps.swept == ["pods", "jobs"]


async def test_a_kind_without_a_sweep_is_left_alone(gaps: Gaps) -> None:
    gaps.sweeps.request("leases")
    await settle()
    assert gaps.swept == []
