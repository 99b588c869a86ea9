"""E1, E2 in memory: whatever keeps the first action of a partition from starting, later ones do not overtake it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from support.memory_operator import MemoryOperator, actions
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.lifecycle.outcomes import Outcome, Succeeded
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.toolbox import Toolbox
from taskaction.testing.clock import START, settle

NAMES = [f"n{number}" for number in range(8)]


class Noted(AbstractExecutor):
    """Succeeds at once, and notes whom it was called for."""

    ACTION_NAME = "noted"

    def __init__(self) -> None:
        self.called: list[str] = []

    async def execute(self, run: Run) -> Outcome:
        self.called.append(run.name)
        return Succeeded()


@pytest.fixture
async def operator() -> AsyncIterator[MemoryOperator]:
    noted = Noted()

    class Build:
        ACTION_NAME = Noted.ACTION_NAME

        @staticmethod
        def build(toolbox: Toolbox) -> Noted:
            return noted

    async with MemoryOperator(Build) as operator:
        operator.noted = noted
        yield operator


def in_order(names: list[str], **spec: Any) -> list[Body]:
    """Give actions of one partition, a second apart."""
    bodies = actions(names, "noted", partitionKey="k", **spec)
    for number, one in enumerate(bodies):
        created = START + timedelta(seconds=NAMES.index(one["metadata"]["name"]))
        one["metadata"] |= {"creationTimestamp": created.isoformat(), "resourceVersion": str(number + 1)}
    return bodies


@pytest.mark.parametrize("pause", [10.0, 10.3, 12.5])
async def test_e01_actions_that_arrive_while_the_lease_is_overdue_start_in_order(operator, pause) -> None:
    await operator.clock.advance(pause)
    for body in in_order(NAMES):
        await operator.create(body)
        await operator.clock.advance(0.3)
        await operator.settle()
    assert operator.noted.called == []

    await operator.control.leases.run_round()
    await operator.settle()

    assert operator.noted.called == NAMES


async def test_e01_what_a_worker_returned_while_the_lease_was_overdue_keeps_its_place(operator) -> None:
    await operator.create(*in_order(["n5"], suspend=True))
    await operator.clock.advance(11)
    await operator.create(*in_order(["n6"]))
    await operator.change("n5", suspend=False)
    await operator.control.leases.run_round()
    await operator.settle()

    assert operator.noted.called == ["n5", "n6"]


async def test_e02_an_action_that_is_not_adopted_yet_holds_its_place(operator) -> None:
    await operator.create(*actions(["parent"], "approval", {"prompt": "?"}))
    parent = {"kind": "TaskAction", "name": "parent"}
    operator.cluster.close()  # the adoption waits for its answer
    await operator.create(*in_order(NAMES[:1], parentRef=parent), *in_order(NAMES[1:]))
    assert operator.noted.called == []

    operator.cluster.open()
    await operator.settle()

    assert operator.noted.called == NAMES


async def test_a_suspended_action_lets_others_pass_and_has_its_place_again(operator) -> None:
    await operator.create(*in_order(["n0"], suspend=True), *in_order(["n1"]))
    assert operator.noted.called == ["n1"]
    await operator.clock.advance(11)  # nothing may start now
    await operator.create(*in_order(["n2", "n3"]))
    await operator.change("n0", suspend=False)
    await operator.control.leases.run_round()
    await operator.settle()

    assert operator.noted.called == ["n1", "n0", "n2", "n3"]


async def test_new_actions_of_a_list_start_in_the_order_of_their_creation(operator) -> None:
    bodies = in_order(NAMES)
    intake = operator.control.actions.intake
    stored = [operator.cluster.store(TASK_ACTIONS, body) for body in bodies]
    operator._news.clear()  # the watch has a gap
    for body in sorted(stored[:6], key=lambda body: -int(body["metadata"]["name"][1:])):
        intake.on_notification(None, body)
    for body in stored[6:]:
        intake.on_notification("ADDED", body)
    await settle()
    assert operator.noted.called == []

    for _ in range(4):
        await operator.clock.advance(0.2)
    await operator.settle()

    assert operator.noted.called == NAMES
    assert not intake._arrivals


async def test_actions_that_go_on_arriving_do_not_delay_those_of_a_list(operator) -> None:
    stored = [operator.cluster.store(TASK_ACTIONS, body) for body in in_order(NAMES)]
    operator._news.clear()
    intake = operator.control.actions.intake
    intake.on_notification(None, stored[0])
    for body in stored[1:]:
        await operator.clock.advance(0.1)
        intake.on_notification("ADDED", body)
    await operator.settle()

    assert operator.noted.called[:5] == NAMES[:5]


async def test_a_listed_action_that_is_deleted_is_not_admitted(operator) -> None:
    (body,) = [operator.cluster.store(TASK_ACTIONS, one) for one in in_order(["n0"])]
    operator._news.clear()
    intake = operator.control.actions.intake
    intake.on_notification(None, body)
    intake.on_notification("DELETED", body)
    for _ in range(4):
        await operator.clock.advance(0.2)

    assert operator.noted.called == []
