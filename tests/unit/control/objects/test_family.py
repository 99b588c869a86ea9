"""Descendants that come while their ancestors end: what is not known of an ancestor yet holds them back."""

import pytest

from support.memory_operator import MemoryOperator
from support.records import body
from taskaction.cluster.errors import UnavailableError
from taskaction.lifecycle.outcomes import Outcome, Pending
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.registry import Plugin


class Outside(AbstractExecutor):
    """Starts something that goes on outside."""

    ACTION_NAME = "outside"
    IDEMPOTENT = True

    def __init__(self) -> None:
        self.started: list[str] = []

    async def execute(self, run: Run) -> Outcome:
        self.started.append(run.name)
        return Pending(poll_after=3600)


@pytest.fixture
def outside() -> Outside:
    return Outside()


def plugin(outside: Outside) -> Plugin:
    class Build:
        ACTION_NAME = outside.ACTION_NAME

        @staticmethod
        def build(toolbox: object) -> Outside:
            return outside

    return Build


def child_of(parent: str, name: str) -> dict[str, object]:
    return body(name, executor="outside", parentRef={"kind": "TaskAction", "name": parent})


@pytest.mark.parametrize("aborted", [True, False], ids=["aborted", "going on"])
async def test_what_is_below_an_action_that_is_not_adopted_yet_waits_to_know_whose_it_is(
    outside: Outside, aborted: bool
) -> None:
    async with MemoryOperator(plugin(outside)) as operator:
        await operator.create(body("top", executor="outside"))
        operator.cluster.fail("patch", UnavailableError("not now"), name="middle")
        await operator.create(child_of("top", "middle"), child_of("middle", "bottom"))
        assert operator.action("bottom").metadata.owner_references[0].name == "middle"
        assert not operator.action("middle").metadata.owner_references
        assert outside.started == ["top"]
        if aborted:
            await operator.change("top", abort={"reason": "late"})
        await operator.pass_time(30)
        assert set(outside.started) == ({"top"} if aborted else {"top", "middle", "bottom"})
        assert operator.phase("bottom") == ("Aborted" if aborted else "Running")
