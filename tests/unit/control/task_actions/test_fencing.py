"""A replica that was cut off, comes back, and does not know yet that others own its work: their record stands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from support.memory_operator import MemoryOperator, actions
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import TASK_ACTIONS
from taskaction.lifecycle.outcomes import Outcome, Succeeded
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.registry import Plugin

DURATION = 15.0
DOWN = UnavailableError("the connection was closed")


class Once(AbstractExecutor):
    """Must not be repeated; each call ends when it gets its cue and says whose it is."""

    ACTION_NAME = "once"

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.called: list[str] = []
        self.cue = asyncio.Event()

    async def execute(self, run: Run) -> Outcome:
        self.called.append(run.name)
        await self.cue.wait()
        return Succeeded(output={"by": self.owner})


class Repeatable(Once):
    """May be repeated: the next owner calls again."""

    ACTION_NAME = "repeatable"
    IDEMPOTENT = True


def plugins(*executors: AbstractExecutor) -> list[Plugin]:
    def plugin(executor: AbstractExecutor) -> Plugin:
        class Build:
            ACTION_NAME = executor.ACTION_NAME

            @staticmethod
            def build(toolbox: object) -> AbstractExecutor:
                return executor

        return Build

    return [plugin(executor) for executor in executors]


class Pair:
    """Two replicas before one API server; the first has everything until it is cut off."""

    def __init__(self) -> None:
        self.sweep_once = {name: Once(name) for name in ("lonely", "other")}
        self.repeatable = {name: Repeatable(name) for name in ("lonely", "other")}
        self.lonely = self._replica("lonely")
        self.other = self._replica("other", self.lonely)

    def _replica(self, name: str, beside: MemoryOperator | None = None) -> MemoryOperator:
        shared = {} if beside is None else {"cluster": beside.cluster, "clock": beside.clock}
        known = plugins(self.sweep_once[name], self.repeatable[name])
        return MemoryOperator(*known, **shared, identity=name, workers_count=1)

    async def take_over(self) -> None:
        """Let the other one wait until the leases of the lonely one have run out, and go on."""
        await self.other.pass_time(2 * DURATION)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    pair = Pair()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(pair.lonely)
        await stack.enter_async_context(pair.other)
        yield pair


async def test_what_others_have_started_is_not_judged_interrupted(pair: Pair) -> None:
    """The lonely one knew the second action as queued; its lease is still thought to be its own when it hears more."""
    await pair.lonely.create(*actions(["first", "second"], "once"))
    assert pair.sweep_once["lonely"].called == ["first"]
    await pair.take_over()
    assert pair.sweep_once["other"].called == ["second"]

    pair.sweep_once["lonely"].cue.set()
    await pair.lonely.clock.advance(1)  # its worker is free, and finds that the lease is too old to start anything
    await pair.lonely.settle()  # its watch is back before its lease is looked at
    await pair.lonely.clock.advance(DURATION)
    await pair.lonely.settle()

    assert pair.lonely.phase("second") == "Running"
    await pair.lonely.control.leases.run_round()
    pair.sweep_once["other"].cue.set()
    await pair.other.settle()
    assert pair.lonely.action("second").status.output == {"by": "other"}
    assert pair.sweep_once["lonely"].called == ["first"]


async def test_a_late_result_gives_way_to_the_claim_of_whoever_has_taken_over(pair: Pair) -> None:
    await pair.lonely.create(*actions(["one"], "repeatable"))
    await pair.take_over()
    assert pair.repeatable["other"].called == ["one"]

    await pair.lonely.settle()
    pair.repeatable["lonely"].cue.set()
    await pair.lonely.settle()

    assert pair.lonely.phase("one") == "Running"
    pair.repeatable["other"].cue.set()
    await pair.other.settle()
    assert pair.lonely.action("one").status.output == {"by": "other"}


async def test_a_result_whose_write_is_tried_again_gives_way_to_a_claim_that_was_heard_of_meanwhile(pair: Pair) -> None:
    await pair.lonely.create(*actions(["one"], "once"))
    pair.lonely.cluster.fail("replace_status", DOWN, name="one")
    pair.sweep_once["lonely"].cue.set()
    await pair.lonely.settle()  # its write waits for its next try
    stored = pair.lonely.stored("one")
    theirs = stored["status"] | {"claim": stored["status"]["claim"] | {"holder": "other", "epoch": 2**40}}
    pair.lonely.cluster.store(TASK_ACTIONS, stored | {"status": theirs})

    await pair.lonely.settle()
    await pair.lonely.clock.advance(DURATION)

    assert pair.lonely.phase("one") == "Running"
    assert pair.lonely.action("one").status.claim.holder == "other"
