"""A parent into whose object no status fits has failed all the same: its descendants end as after any other failure."""

from typing import Any

import pytest

from support.flow_stage import action, begin, change_run, children, run_body, run_of
from support.memory_operator import MemoryOperator
from support.records import body
from taskaction.cluster.errors import TooLargeError

NAP = {"parameters": {"duration": "1h"}, "url": "taskaction://executor/sleep"}
STEP = {"parameters": {"duration": "5s"}, "url": "taskaction://executor/sleep"}


def refuse_statuses(operator: MemoryOperator, parent: str) -> None:
    """Let no status of an object fit into it from now on."""

    def refuse(verb: str, name: str) -> None:
        if (verb, name) == ("replace_status", parent):
            raise TooLargeError("etcdserver: request is too large")

    operator.cluster.meanwhile = refuse


def branch(states: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def two_branches() -> dict[str, Any]:
    branches = [branch({"Nap": action(**NAP)}), branch({"Step": action("Then", **STEP), "Then": action(**NAP)})]
    return {"Both": {"Type": "Parallel", "Branches": branches, "End": True}}


async def test_a_run_whose_status_is_refused_ends_its_actions_and_starts_no_others() -> None:
    async with MemoryOperator() as operator:
        await begin(operator, run_body("r", two_branches()))
        await operator.pass_time(1)
        assert [one["status"]["phase"] for one in children(operator).values()] == ["Running", "Running"]
        refuse_statuses(operator, "r")
        await operator.pass_time(10)
        found = sorted((one["status"]["phase"], one["status"]["reason"]) for one in children(operator).values())
        assert found == [("Aborted", "ParentCompleted"), ("Succeeded", "Completed")]
        assert run_of(operator).status.phase == "Running"

        operator.cluster.meanwhile = None
        await change_run(operator, "r", suspend=True)
        assert (run_of(operator).status.phase, run_of(operator).status.reason) == ("Failed", "ObjectTooLarge")
        assert len(children(operator)) == 2


@pytest.mark.parametrize(
    ("policy", "phase"), [("Abort", "Aborted"), ("AbortOnFailure", "Aborted"), ("Keep", "Running"), (None, "Running")]
)
async def test_children_of_an_action_whose_status_is_refused_follow_its_policy(policy: str | None, phase: str) -> None:
    said = {} if policy is None else {"childPolicy": policy}
    parent = {"kind": "TaskAction", "name": "top"}
    async with MemoryOperator() as operator:
        await operator.create(body("top", executor="sleep", parameters={"duration": "5s"}, **said))
        await operator.create(body("child", executor="sleep", parameters={"duration": "1h"}, parentRef=parent))
        await operator.pass_time(1)
        refuse_statuses(operator, "top")
        await operator.pass_time(10)
        assert (operator.phase("top"), operator.phase("child")) == ("Running", phase)
