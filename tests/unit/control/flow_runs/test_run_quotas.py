"""Runs whose actions a ResourceQuota refuses for a while: they wait, say so, and lose nothing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.fake_cluster import Fault
from support.flow_stage import action, begin, change_run, children, run_body, run_of
from support.memory_operator import MemoryOperator
from taskaction.api.enums import Phase
from taskaction.cluster.errors import QuotaReachedError, UnavailableError
from taskaction.cluster.gateway import SECRETS, TASK_ACTIONS, Body, Resource

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
PRIVATE = {
    "Make": {
        "Type": "ExpressionEval",
        "Parameters": {"value.=": "'a' * 9"},
        "ResultPath": "$._private_made",
        "Next": "A",
    },
    "A": action(),
}
ACCOUNT = {"serviceAccountName": "default"}


class Quota:
    """ResourceQuota for objects of a kind; ``room`` is for how many more there is room."""

    def __init__(self, room: int, resource: Resource = TASK_ACTIONS) -> None:
        self.room = room
        self.resource = resource
        self.refused = 0

    def __call__(self, resource: Resource, body: Body, stored: Body | None) -> Body:
        if resource == self.resource and stored is None:
            if not self.room:
                self.refused += 1
                raise QuotaReachedError(REFUSAL)
            self.room -= 1
        return body


@pytest.fixture
async def operator() -> AsyncIterator[MemoryOperator]:
    async with MemoryOperator() as operator:
        yield operator


def limit(operator: MemoryOperator, room: int, resource: Resource = TASK_ACTIONS) -> Quota:
    operator.cluster._check = quota = Quota(room, resource)
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


async def test_an_action_is_found_although_the_quota_is_used_up_by_it(operator: MemoryOperator) -> None:
    quota, cluster = limit(operator, 1), operator.cluster

    def lose(verb: str, name: str) -> None:
        if verb == "create" and name.startswith("r-"):
            cluster.faults.append(Fault(verb, UnavailableError("lost"), after=True))
            cluster.meanwhile = None

    cluster.meanwhile = lose
    await begin(operator, run_body("r", {"A": action()}))
    await operator.pass_time(5)
    assert (quota.room, quota.refused) == (0, 1)
    assert run_of(operator).status.phase is Phase.SUCCEEDED


async def test_private_data_is_stored_when_there_is_room(operator: MemoryOperator) -> None:
    quota = limit(operator, 0, SECRETS)
    await begin(operator, run_body("r", PRIVATE, runAs=ACCOUNT))
    await operator.pass_time(25)
    status = run_of(operator).status
    assert (status.phase, status.reason, children(operator)) == (Phase.QUEUED, "QuotaExceeded", {})
    assert REFUSAL in (status.message or "")
    assert 2 <= quota.refused <= 4
    quota.room = 1
    await operator.pass_time(15)
    status = run_of(operator).status
    assert (status.phase, quota.room) == (Phase.SUCCEEDED, 0)


async def test_a_run_whose_private_data_waits_can_be_aborted(operator: MemoryOperator) -> None:
    limit(operator, 0, SECRETS)
    await begin(operator, run_body("r", PRIVATE, runAs=ACCOUNT))
    await operator.pass_time(2)
    await change_run(operator, "r", abort={"reason": "enough"})
    await operator.pass_time(2)
    assert run_of(operator).status.phase is Phase.ABORTED
    assert operator.of_kind("secrets") == []


async def test_the_next_owner_stores_the_private_data_that_waited() -> None:
    async with MemoryOperator() as first:
        quota = limit(first, 0, SECRETS)
        await begin(first, run_body("r", PRIVATE, runAs=ACCOUNT))
        await first.pass_time(2)
    quota.room = 1
    async with MemoryOperator(cluster=first.cluster, clock=first.clock) as second:
        await second.pass_time(60)
        assert run_of(second).status.phase is Phase.SUCCEEDED


async def test_a_replica_hands_over_a_run_whose_private_data_waits(operator: MemoryOperator) -> None:
    limit(operator, 0, SECRETS)
    await begin(operator, run_body("r", PRIVATE, runAs=ACCOUNT))
    await operator.pass_time(2)
    (record,) = operator.control.runs.table
    assert not record.is_written
    assert operator.control.runs.reconciler.is_at_rest(record)
