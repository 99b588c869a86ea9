"""An abort that comes while something is being started outside: what has begun is told to stop by its name."""

import asyncio
from typing import Any

import pytest

from support.memory_operator import MemoryOperator, actions
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.lifecycle.outcomes import Outcome, Pending
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.registry import Plugin


class Starter(AbstractExecutor):
    """Starts a job when it gets its cue, and remembers what it was told to stop."""

    ACTION_NAME = "starter"
    IDEMPOTENT = True
    EXTERNAL_EFFECT = True

    def __init__(self) -> None:
        self.cue = asyncio.Event()
        self.asked = asyncio.Event()
        self.on_cancel_ended: list[str | None] = []

    async def execute(self, run: Run) -> Outcome:
        self.asked.set()
        starting = asyncio.create_task(self.cue.wait())
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await starting
        return Pending(external_id=f"job of {run.name}", poll_after=60)

    async def cancel(self, run: Run) -> None:
        self.on_cancel_ended.append(run.external_id)


@pytest.fixture
def starter() -> Starter:
    return Starter()


def plugin(starter: Starter) -> Plugin:
    class Build:
        ACTION_NAME = starter.ACTION_NAME

        @staticmethod
        def build(toolbox: object) -> Starter:
            return starter

    return Build


@pytest.mark.parametrize("steps", range(8))
@pytest.mark.parametrize("answered_first", [True, False], ids=["answered just before", "answered just after"])
async def test_what_has_begun_is_told_to_stop_by_its_name(starter: Starter, answered_first, steps) -> None:
    """The abort is seen some steps of the loop before or after the target has answered."""
    async with MemoryOperator(plugin(starter)) as operator:
        await operator.create(*actions(["one"], "starter"))
        await starter.asked.wait()
        abort = {"reason": "enough", "by": "ada", "at": "2026-01-01T12:00:00Z"}
        stored = operator.stored("one")
        aborted = operator.cluster.store(TASK_ACTIONS, stored | {"spec": stored["spec"] | {"abort": abort}})
        if answered_first:
            starter.cue.set()
        else:
            operator.control.actions.intake.on_notification("MODIFIED", aborted)
        for _ in range(steps):
            await asyncio.sleep(0)
        starter.cue.set()
        operator.control.actions.intake.on_notification("MODIFIED", aborted)
        await operator.settle()

        assert starter.on_cancel_ended == ["job of one"]
        assert operator.phase("one") == "Aborted"
        assert operator.action("one").status.attempts[-1].external_id == "job of one"


async def test_a_finalizer_that_is_on_its_way_when_the_action_ends_does_not_stay(starter: Starter) -> None:
    """The abort is decided while the API server adds the finalizer, and is on record only after that."""
    async with MemoryOperator(plugin(starter)) as operator:
        patched, written = asyncio.Event(), asyncio.Event()
        cluster = operator.cluster
        patch, replace_status = cluster.patch, cluster.replace_status

        async def slow_patch(*args: Any, **options: Any) -> Body:
            await patched.wait()
            return await patch(*args, **options)

        async def slow_status(*args: Any, **options: Any) -> Body:
            await written.wait()
            return await replace_status(*args, **options)

        cluster.patch, cluster.replace_status = slow_patch, slow_status  # type: ignore[method-assign]
        await operator.create(*actions(["one"], "starter"))
        stored = operator.stored("one")
        abort = {"reason": "enough", "by": "ada", "at": "2026-01-01T12:00:00Z"}
        operator.control.actions.intake.on_notification(
            "MODIFIED", cluster.store(TASK_ACTIONS, stored | {"spec": stored["spec"] | {"abort": abort}})
        )
        await operator.settle()
        patched.set()
        await operator.settle()
        written.set()
        await operator.settle()

        assert operator.phase("one") == "Aborted"
        assert not operator.stored("one")["metadata"].get("finalizers")
        assert not starter.asked.is_set()


@pytest.mark.parametrize("answer", ["late", "lost"])
async def test_an_end_that_others_see_before_its_own_write_is_answered_leaves_no_finalizer(starter, answer) -> None:
    """The sweep's list lacks an action whose end is on record, while the answer to that write is still awaited."""
    async with MemoryOperator(plugin(starter)) as operator:
        starter.cue.set()
        await operator.create(*actions(["one"], "starter"))
        assert operator.stored("one")["metadata"]["finalizers"]
        cluster, answered = operator.cluster, asyncio.Event()
        replace_status = cluster.replace_status

        async def late_answer(*args: Any, **options: Any) -> Body:
            stored = await replace_status(*args, **options)
            await answered.wait()
            return stored

        if answer == "late":
            cluster.replace_status = late_answer  # type: ignore[method-assign]
        else:
            cluster.fail("replace_status", UnavailableError("the connection was closed"), after=True)
        record = operator.control.table.get("uid-of-one")
        await operator.change("one", abort={"reason": "enough", "by": "ada", "at": "2026-01-01T12:00:00Z"})
        assert operator.phase("one") == "Aborted"
        operator.control.actions.intake.on_missing(record)
        await operator.settle()
        answered.set()
        await operator.pass_time(5)

        assert not operator.stored("one")["metadata"].get("finalizers")
        assert operator.control.table.get("uid-of-one") is None
