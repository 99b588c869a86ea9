"""Calls for inline items stand in line with actions: same workers, same quotas, and only while their run may start."""

import asyncio
from typing import Any, ClassVar

import pytest

from support.flow_stage import action, begin, change_run, children, run_body, run_of
from support.memory_operator import MemoryOperator, actions
from support.records import NAMESPACE
from taskaction.api.enums import Phase
from taskaction.cluster.gateway import ACTION_FLOW_RUNS
from taskaction.lifecycle.outcomes import Outcome, Pending, Succeeded
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.toolbox import Toolbox

TARGET = "taskaction://executor/target"
ITEMS = 20


class Target:
    """Something outside that takes its time, or has no room; a plug-in."""

    def __init__(self, *, limited: bool = False, polls: int = 0) -> None:
        self.limited, self.polls = limited, polls
        self.asked = self.now = self.most = 0
        self.begun: list[str] = []
        self.open = asyncio.Event()

    def build(self, _: Toolbox) -> AbstractExecutor:
        return Calling(self)


class Calling(AbstractExecutor):
    """Calls the target."""

    ACTION_NAME: ClassVar[str] = "target"
    IDEMPOTENT = True
    INLINE = True

    def __init__(self, target: Target) -> None:
        self.target = target

    async def is_close_to_rate_limit(self, run: Run) -> bool:
        self.target.asked += 1
        return self.target.limited

    async def get_remaining_seconds_until_rate_limit(self, run: Run) -> float:
        return 2.0

    async def execute(self, run: Run) -> Outcome:
        self.target.begun.append(run.idempotency_key)
        self.target.now += 1
        self.target.most = max(self.target.most, self.target.now)
        try:
            await self.target.open.wait()
        finally:
            self.target.now -= 1
        return Pending(poll_after=1.0) if self.target.polls else Succeeded(output={})

    async def poll(self, run: Run) -> Outcome:
        self.target.polls -= 1
        return Pending(poll_after=1.0) if self.target.polls > 0 else Succeeded(output=run.attempt)


def each(url: str = TARGET, **more: Any) -> dict[str, Any]:
    inner = {"StartAt": "Call", "States": {"Call": action(url=url, ResultPath=None)}}
    found = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": inner, "Inline": True, "ResultPath": "$.out"}
    return found | {"End": True} | more


GIVEN = {"input": {"items": list(range(ITEMS))}}


async def test_items_and_actions_share_the_workers() -> None:
    target = Target()
    async with MemoryOperator(target, workers_count=3) as operator:
        await operator.create(*actions(["a", "b", "c", "d"], "target"))
        await begin(operator, run_body("r", {"Each": each()}, **GIVEN))
        assert target.most == 3
        target.open.set()
        await operator.settle()
        assert run_of(operator).status.phase is Phase.SUCCEEDED
        assert [operator.phase(name) for name in "abcd"] == ["Succeeded"] * 4
    assert target.most == 3
    assert len(target.begun) == ITEMS + 4


async def test_items_wait_for_the_quota_of_their_target_and_no_worker_waits_with_them() -> None:
    target = Target(limited=True)
    target.open.set()
    async with MemoryOperator(target, workers_count=2) as operator:
        await begin(operator, run_body("r", {"Each": each()}, **GIVEN))
        await operator.pass_time(10, step=1)
        assert target.begun == []
        assert target.asked <= ITEMS + 10  # each once, and then one for all
        assert operator.control.manager.running_count == 0
        target.limited = False
        await operator.pass_time(4, step=1)
        assert run_of(operator).status.phase is Phase.SUCCEEDED
    assert len(target.begun) == len(set(target.begun)) == ITEMS


async def test_calls_that_have_not_begun_do_not_begin_while_the_run_is_suspended() -> None:
    target = Target()
    async with MemoryOperator(target, workers_count=3) as operator:
        await begin(operator, run_body("r", {"Each": each()}, **GIVEN))
        await change_run(operator, "r", suspend=True)
        target.open.set()
        await operator.settle()
        assert len(target.begun) == 3
        await change_run(operator, "r", suspend=False)
        assert run_of(operator).status.phase is Phase.SUCCEEDED
    assert len(target.begun) == len(set(target.begun)) == ITEMS


async def test_calls_that_go_on_elsewhere_are_polled() -> None:
    target = Target(polls=ITEMS + 5)
    target.open.set()
    async with MemoryOperator(target) as operator:
        await begin(operator, run_body("r", {"Each": each()}, **GIVEN))
        await operator.pass_time(ITEMS + 10, step=1)
        assert run_of(operator).status.phase is Phase.SUCCEEDED
        assert operator.control.manager.queued_count == operator.control.manager.lane_count == 0


@pytest.mark.parametrize("how", ["failed", "aborted", "deleted"])
async def test_nothing_is_called_any_more_for_a_run_that_is_over(how: str) -> None:
    target = Target()
    branches = [
        {"StartAt": "Each", "States": {"Each": each()}},
        {"StartAt": "Rest", "States": {"Rest": {"Type": "Wait", "Seconds": 5, "Next": "Bad"}, "Bad": {"Type": "Fail"}}},
    ]
    async with MemoryOperator(target, workers_count=3) as operator:
        both = {"Type": "Parallel", "Branches": branches, "End": True}
        await begin(operator, run_body("r", {"Both": both}, **GIVEN))
        operator.cluster.calls.clear()
        if how == "failed":
            await operator.pass_time(6)
            assert run_of(operator).status.phase is Phase.FAILED
        elif how == "aborted":
            await change_run(operator, "r", abort={"reason": "enough"})
            assert run_of(operator).status.phase is Phase.ABORTED
        else:
            operator.cluster.drop(ACTION_FLOW_RUNS, "r", NAMESPACE)
            await operator.settle()
        target.open.set()
        await operator.settle()
        assert len(target.begun) == 3
        assert target.now == 0
        manager = operator.control.manager
        assert (manager.queued_count, manager.running_count, manager.lane_count) == (0, 0, 0)
        assert children(operator) == {}


async def test_items_that_are_given_up_cost_no_request() -> None:
    target = Target()
    branches = [
        {"StartAt": "Each", "States": {"Each": each()}},
        {"StartAt": "Rest", "States": {"Rest": {"Type": "Wait", "Seconds": 5, "Next": "Bad"}, "Bad": {"Type": "Fail"}}},
    ]
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Long"}]
    both = {"Type": "Parallel", "Branches": branches, "Catch": catch, "End": True}
    async with MemoryOperator(target, workers_count=3) as operator:
        states = {"Both": both, "Long": {"Type": "Wait", "Seconds": 3600, "End": True}}
        await begin(operator, run_body("r", states, **GIVEN))
        await operator.pass_time(6)
        assert run_of(operator).status.message == "in Long"
        assert operator.cluster.count("get") == 0
        assert target.now == 0


async def test_items_that_find_the_queue_full_wait_outside_of_it() -> None:
    target = Target()
    target.open.set()
    async with MemoryOperator(target, workers_count=2, runs_buffer_high_watermark=5) as operator:
        await begin(operator, *(run_body(name, {"Each": each()}, **GIVEN) for name in "rst"))
        await operator.create(*actions(["a", "b"], "target"))
        await operator.pass_time(2)
        assert [run_of(operator, name).status.phase for name in "rst"] == [Phase.SUCCEEDED] * 3
        assert [operator.phase(name) for name in "ab"] == ["Succeeded"] * 2
        assert (operator.control.manager.queued_count, operator.control.manager.backlog_count) == (0, 0)
