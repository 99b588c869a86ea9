"""Runs whose actions a ResourceQuota refuses for a while: they wait, say so, and lose nothing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.flow_stage import action, begin, change_run, children, run_body, run_of
from support.memory_operator import MemoryOperator
from taskaction.api.enums import Phase
from taskaction.cluster.errors import QuotaReachedError
from taskaction.cluster.gateway import TASK_ACTIONS, Body, Resource

REFUSAL = 'taskactions "x" is forbidden: exceeded quota: small, requested: count/taskactions.taskaction.dev=1'
ITEMS = 5
EACH: dict[str, Any] = {
    "Each": {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemProcessor": {"StartAt": "One", "States": {"One": action()}},
        "End": True,
    }
}


class Quota:
    """ResourceQuota for actions; ``room`` is for how many more there is room."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.refused = 0

    def __call__(self, resource: Resource, body: Body, stored: Body | None) -> Body:
        if resource == TASK_ACTIONS and stored is None:
            if not self.room:
                self.refused += 1
                raise QuotaReachedError(REFUSAL)
            self.room -= 1
        return body


@pytest.fixture
async def operator() -> AsyncIterator[MemoryOperator]:
    async with MemoryOperator() as operator:
        yield operator


def limit(operator: MemoryOperator, room: int) -> Quota:
    operator.cluster._check = quota = Quota(room)
    return quota


async def test_an_action_is_created_when_there_is_room(operator: MemoryOperator) -> None:
    quota = limit(operator, 0)
    await begin(operator, run_body("r", {"A": action()}))
    await operator.pass_time(25)
    status = run_of(operator).status
    assert (status.phase, status.reason) == (Phase.RUNNING, "QuotaExceeded")
    assert REFUSAL in (status.message or "")
    assert 2 <= quota.refused <= 4
    quota.room = 1
    await operator.pass_time(15)
    assert run_of(operator).status.phase is Phase.SUCCEEDED


async def test_what_is_shown_ends_with_the_wait(operator: MemoryOperator) -> None:
    quota = limit(operator, 0)
    nap = action(url="taskaction://executor/sleep", parameters={"duration": "1h"})
    await begin(operator, run_body("r", {"A": nap}))
    await operator.pass_time(2)
    quota.room = 1
    await operator.pass_time(15)
    assert (run_of(operator).status.phase, run_of(operator).status.reason) == (Phase.RUNNING, "Executing")


async def test_items_that_run_continue_and_the_others_follow(operator: MemoryOperator) -> None:
    quota = limit(operator, 2)
    await begin(operator, run_body("r", EACH, input={"items": [{} for _ in range(ITEMS)]}))
    await operator.pass_time(2)
    assert len(children(operator)) == 2
    assert run_of(operator).status.reason == "QuotaExceeded"
    quota.room = ITEMS
    await operator.pass_time(20)
    assert run_of(operator).status.phase is Phase.SUCCEEDED
    assert len(children(operator)) == ITEMS
    assert quota.room == 2


async def test_a_run_that_waits_can_be_aborted(operator: MemoryOperator) -> None:
    limit(operator, 0)
    await begin(operator, run_body("r", {"A": action()}))
    await operator.pass_time(2)
    await change_run(operator, "r", abort={"reason": "enough"})
    await operator.pass_time(2)
    assert run_of(operator).status.phase is Phase.ABORTED


async def test_a_suspended_run_waits_without_a_look(operator: MemoryOperator) -> None:
    quota = limit(operator, 0)
    await begin(operator, run_body("r", {"A": action()}))
    await operator.pass_time(2)
    await change_run(operator, "r", suspend=True)
    refused = quota.refused
    await operator.pass_time(60)
    assert quota.refused == refused
    quota.room = 1
    await change_run(operator, "r", suspend=False)
    await operator.pass_time(15)
    assert run_of(operator).status.phase is Phase.SUCCEEDED
