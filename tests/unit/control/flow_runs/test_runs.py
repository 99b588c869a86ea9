"""Runs of flows from their creation to their end, in an operator over a cluster in memory."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.flow_stage import action, begin, change_run, children, flow_body, run_body, run_of
from support.memory_operator import MemoryOperator
from taskaction.api.enums import Phase

PASS = {"Type": "Pass", "End": True}
CHAIN = {
    "P1": {"Type": "Pass", "Next": "A1"},
    "A1": action("P2"),
    "P2": {"Type": "Pass", "Next": "C1"},
    "C1": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "P3"}], "Default": "P3"},
    "P3": {"Type": "Pass", "Next": "A2"},
    "A2": action("P4"),
    "P4": {"Type": "Pass", "Next": "C2"},
    "C2": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 2, "Next": "P5"}], "Default": "P5"},
    "P5": {"Type": "Pass", "Next": "A3"},
    "A3": action(),
}


@pytest.fixture
async def operator() -> AsyncIterator[MemoryOperator]:
    async with MemoryOperator() as operator:
        yield operator


async def test_a_run_without_effects_costs_one_write(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", {"A": {"Type": "Pass", "Next": "B"}, "B": PASS}, input={"n": 1}))
    run = run_of(operator)
    assert (run.status.phase, run.status.output) == (Phase.SUCCEEDED, {"n": 1})
    assert operator.cluster.count("replace_status") == 1


async def test_a_chain_of_ten_states_costs_ten_writes(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", CHAIN, input={"n": 1}))
    run = run_of(operator)
    assert run.status.phase is Phase.SUCCEEDED
    assert run.status.output["done"]["status"] == "SUCCEEDED"
    assert len(written(operator)) == 10
    assert [call for call in written(operator) if call[0] == "create"] == [
        ("create", name) for name in (one["metadata"]["name"] for one in children(operator).values())
    ]


def written(operator: MemoryOperator) -> list[tuple[str, str]]:
    """Give the writes to objects of users, in their order."""
    verbs = {"create", "replace_status", "patch", "delete"}
    return [call for call in operator.cluster.calls if call[0] in verbs and not call[1].startswith("taskaction-")]


async def test_a_state_that_waits_for_its_action_is_shown_and_the_action_belongs_to_the_run(
    operator: MemoryOperator,
) -> None:
    states = {"Nap": action(url="taskaction://executor/sleep", parameters={"duration": "10s"}, WaitTime=60)}
    await begin(operator, run_body("r", states, label="mine"))
    run, (child,) = run_of(operator), children(operator).values()
    assert (run.status.phase, run.status.message) == (Phase.RUNNING, "in Nap")
    assert [(one.name, one.visit, one.action) for one in run.status.states] == [("Nap", "1", child["metadata"]["name"])]
    assert child["metadata"]["ownerReferences"][0]["uid"] == run.metadata.uid
    assert child["spec"]["timeouts"] == {"total": "60s"}
    await operator.pass_time(11)
    assert run_of(operator).status.phase is Phase.SUCCEEDED


async def test_a_failed_action_fails_the_run_unless_it_is_caught(operator: MemoryOperator) -> None:
    bad = action(url="taskaction://executor/fail", parameters={"message": "no luck", "retry_class": None})
    catch = [{"ErrorEquals": ["ActionFailedException"], "ResultPath": "$.error", "Next": "Mend"}]
    await begin(operator, run_body("r", {"Bad": bad}))
    status = run_of(operator).status
    assert (status.phase, status.reason) == (Phase.FAILED, "FlowFailed")
    assert status.error is not None
    assert (status.error.code, status.error.state_name) == ("ActionFailedException", "Bad")
    assert "no luck" in status.error.message
    await begin(operator, run_body("caught", {"Bad": bad | {"Catch": catch}, "Mend": PASS}))
    status = run_of(operator, "caught").status
    assert status.phase is Phase.SUCCEEDED
    assert status.output["error"]["Error"] == "ActionFailedException"


@pytest.mark.parametrize(
    ("url", "parameters", "expected"),
    [
        ("taskaction://executor/nope", {}, "unknown executor 'nope'"),
        ("taskaction://executor/sleep", {}, "duration"),
    ],
    ids=["an executor that is not there", "parameters that are amiss"],
)
async def test_an_action_that_cannot_start_says_why(
    operator: MemoryOperator, url: str, parameters: dict[str, str], expected: str
) -> None:
    await begin(operator, run_body("r", {"Bad": action(url=url, parameters=parameters)}))
    error = run_of(operator).status.error
    assert error is not None
    assert error.code == "ActionUnableToRun"
    assert expected in error.message


async def test_an_action_that_takes_too_long_is_stopped(operator: MemoryOperator) -> None:
    nap = action(url="taskaction://executor/sleep", parameters={"duration": "1h"}, WaitTime=5)
    await begin(operator, run_body("r", {"Nap": nap}))
    await operator.pass_time(6)
    error = run_of(operator).status.error
    assert error is not None
    assert error.code == "ActionTimeout"
    assert [one["status"]["phase"] for one in children(operator).values()] == ["TimedOut"]


async def test_an_aborted_run_ends_after_its_actions(operator: MemoryOperator) -> None:
    nap = action(url="taskaction://executor/sleep", parameters={"duration": "1h"})
    await begin(operator, run_body("r", {"Nap": nap}))
    await change_run(operator, "r", abort={"reason": "enough", "by": "me"})
    (child,) = children(operator).values()
    assert (child["status"]["phase"], child["status"]["reason"]) == ("Aborted", "ParentAborted")
    status = run_of(operator).status
    assert (status.phase, status.reason, status.message) == (Phase.ABORTED, "Aborted", "enough")
    assert status.log[-1].code == "FlowCanceled"


async def test_a_suspended_run_enters_no_state_until_it_is_resumed(operator: MemoryOperator) -> None:
    nap = action("Done", url="taskaction://executor/sleep", parameters={"duration": "5s"})
    await begin(operator, run_body("r", {"Nap": nap, "Done": action()}))
    await change_run(operator, "r", suspend=True)
    await operator.pass_time(6)
    assert list(children(operator)) == ["1"]
    assert run_of(operator).status.reason == "Suspended"
    await change_run(operator, "r", suspend=False)
    assert run_of(operator).status.phase is Phase.SUCCEEDED
    assert list(children(operator)) == ["1", "2"]


async def test_a_wait_goes_by_the_clock_while_the_run_is_suspended(operator: MemoryOperator) -> None:
    rest = {"Type": "Wait", "Seconds": 30, "Next": "Done"}
    await begin(
        operator, run_body("over", {"Rest": rest, "Done": action()}), run_body("r", {"Rest": rest, "Done": PASS})
    )
    for name in ("over", "r"):
        await change_run(operator, name, suspend=True)
    await operator.pass_time(20)
    await change_run(operator, "r", suspend=False)
    assert run_of(operator).status.phase is Phase.RUNNING
    await operator.pass_time(11)
    assert run_of(operator).status.phase is Phase.SUCCEEDED
    assert run_of(operator, "over").status.reason == "Suspended"
    assert children(operator) == {}
    await change_run(operator, "over", suspend=False)
    assert run_of(operator, "over").status.phase is Phase.SUCCEEDED


@pytest.mark.parametrize(
    "bound", [{"timeouts": {"total": "10s"}}, {"definition": {"TimeoutSeconds": 10}}], ids=["of the run", "of the flow"]
)
async def test_a_suspended_run_does_not_time_out(operator: MemoryOperator, bound: dict[str, Any]) -> None:
    states = {"Rest": {"Type": "Wait", "Seconds": 3600, "End": True}}
    body = run_body("r", states)
    body["spec"] |= {"timeouts": bound["timeouts"]} if "timeouts" in bound else {}
    body["spec"]["definition"] |= bound.get("definition", {})
    await begin(operator, body)
    await operator.pass_time(6)
    await change_run(operator, "r", suspend=True)
    await operator.pass_time(60, step=5)
    assert run_of(operator).status.reason == "Suspended"
    await change_run(operator, "r", suspend=False)
    await operator.pass_time(3)
    assert run_of(operator).status.phase is Phase.RUNNING
    await operator.pass_time(2)
    assert run_of(operator).status.phase is Phase.TIMED_OUT


async def test_a_wait_lasts_as_long_as_it_says(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", {"Rest": {"Type": "Wait", "Seconds": 30, "Next": "Done"}, "Done": PASS}))
    await operator.pass_time(29)
    assert run_of(operator).status.phase is Phase.RUNNING
    await operator.pass_time(2)
    assert run_of(operator).status.phase is Phase.SUCCEEDED


async def test_a_signal_answers_what_the_run_waits_for(operator: MemoryOperator) -> None:
    ask = {"Type": "AwaitWebInput", "Parameters": {"prompt": "May I?"}, "ResultPath": "$.answer", "End": True}
    await begin(operator, run_body("r", {"Ask": ask}))
    status = run_of(operator).status
    assert (status.phase, status.message) == (Phase.PAUSED, "Ask: May I?")
    await change_run(operator, "r", signal={"value": True, "by": "me"})
    status = run_of(operator).status
    assert status.phase is Phase.SUCCEEDED
    assert status.output["answer"]["details"]["value"] is True


async def test_a_run_waits_for_its_flow_and_keeps_the_definition_that_it_started_with(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", flowRef={"name": "f"}))
    assert run_of(operator).status.reason == "FlowNotFound"
    await begin(operator, flow_body("f", {"Rest": {"Type": "Wait", "Seconds": 10, "Next": "Old"}, "Old": PASS}))
    assert run_of(operator).status.phase is Phase.RUNNING
    await begin(operator, flow_body("f", {"New": PASS}))
    await operator.pass_time(11)
    run = run_of(operator)
    assert run.status.phase is Phase.SUCCEEDED
    assert [one.details["state_name"] for one in run.status.log if one.code == "PassCompleted"] == ["Old"]
    assert run.status.flow is not None
    assert run.status.flow.definition is not None
    assert "Old" in run.status.flow.definition["States"]


async def test_input_that_the_flow_refuses_is_named(operator: MemoryOperator) -> None:
    schema = {"type": "object", "required": ["source"]}
    await begin(operator, flow_body("f", {"A": PASS}, inputSchema=schema), run_body("r", flowRef={"name": "f"}))
    status = run_of(operator).status
    assert (status.phase, status.reason) == (Phase.FAILED, "InvalidInput")
    assert "'source' is a required property" in (status.message or "")


async def test_input_that_is_nested_too_deeply_is_refused(operator: MemoryOperator) -> None:
    """Beyond that nothing can be written and little be read: the run would be tried for ever."""
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"in": deep}
    await begin(operator, run_body("r", {"A": PASS}, input=deep))
    status = run_of(operator).status
    assert (status.phase, status.reason) == (Phase.FAILED, "InvalidInput")
    assert status.message == "spec.input: is nested more than 100 levels deep"


async def test_a_definition_that_is_amiss_is_named(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", {"A": {"Type": "Pass", "Next": "Gone"}}))
    status = run_of(operator).status
    assert (status.phase, status.reason) == (Phase.FAILED, "InvalidDefinition")
    assert "$.States.A.Next" in (status.message or "")


async def test_branches_run_side_by_side_and_one_that_fails_stops_the_others(operator: MemoryOperator) -> None:
    slow = action(url="taskaction://executor/sleep", parameters={"duration": "1h"})
    bad = action(url="taskaction://executor/fail", parameters={"retry_class": None})
    branches = [{"StartAt": "S", "States": {"S": slow}}, {"StartAt": "B", "States": {"B": bad}}]
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Rest"}]
    both = {"Type": "Parallel", "Branches": branches, "Catch": catch, "Next": "Rest"}
    await begin(
        operator, run_body("r", {"Both": both, "Rest": {"Type": "Wait", "Seconds": 60, "Next": "D"}, "D": PASS})
    )
    phases = {visit: one["status"]["phase"] for visit, one in children(operator).items()}
    assert phases == {"1.0.1": "Aborted", "1.1.1": "Failed"}
    assert run_of(operator).status.phase is Phase.RUNNING


async def test_a_finished_run_expires_with_its_actions(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", {"A": action()}, ttlSecondsAfterFinished=60))
    await operator.pass_time(58)
    assert run_of(operator).status.phase is Phase.SUCCEEDED
    await operator.pass_time(3)
    assert operator.of_kind("actionflowruns") == operator.of_kind("taskactions") == []


async def test_state_that_is_too_large_fails_the_run(operator: MemoryOperator) -> None:
    big = {"Type": "ExpressionEval", "Parameters": {"x.=": "[s] * 5"}, "ResultPath": "$.x", "End": True}
    await begin(operator, run_body("r", {"Big": big}, input={"s": "x" * 60_000}))
    error = run_of(operator).status.error
    assert error is not None
    assert error.code == "States.DataLimitExceeded"


def mapped(processor: dict[str, Any], **more: Any) -> dict[str, Any]:
    inner = {"StartAt": next(iter(processor)), "States": processor}
    each = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": inner, "ResultPath": "$.out", "End": True}
    return {"Each": each | more}


async def test_inline_items_cost_no_objects_and_few_writes(operator: MemoryOperator) -> None:
    echo = action(ResultPath=None, parameters={"output.$": "$"})
    await begin(operator, run_body("r", mapped({"Echo": echo}, Inline=True), input={"items": list(range(1_000))}))
    await operator.until(lambda: run_of(operator).status.phase.is_terminal, seconds=20)
    assert run_of(operator).status.output["out"] == list(range(1_000))
    assert children(operator) == {}
    assert len(written(operator)) <= 5


async def test_an_inline_action_needs_an_executor_that_can_do_without_an_object(operator: MemoryOperator) -> None:
    ask = action(url="taskaction://executor/approval")
    await begin(operator, run_body("r", mapped({"Ask": ask}, Inline=True), input={"items": [1]}))
    error = run_of(operator).status.error
    assert error is not None
    assert error.code == "ActionUnableToRun"
    assert "remove Inline" in error.message


async def test_inline_actions_that_take_their_time_are_waited_for(operator: MemoryOperator) -> None:
    nap = action(url="taskaction://executor/sleep", parameters={"duration": "5s"}, ResultPath=None)
    await begin(operator, run_body("r", mapped({"Nap": nap}, Inline=True), input={"items": [1, 2]}))
    assert run_of(operator).status.phase is Phase.QUEUED or run_of(operator).status.phase is Phase.RUNNING
    await operator.pass_time(6)
    assert run_of(operator).status.output["out"] == [1, 2]


async def test_a_flow_runs_another_one_and_an_abort_reaches_through(operator: MemoryOperator) -> None:
    inner = {"Nap": action(url="taskaction://executor/sleep", parameters={"duration": "5s"})}
    outer = {"In": action(url="taskaction://executor/flow", parameters={"flow": "f", "input": {"a": 1}})}
    await begin(operator, flow_body("f", inner))
    await begin(operator, run_body("r", outer, runAs={"serviceAccountName": "runner"}))
    await begin(operator, run_body("aborted", outer, runAs={"serviceAccountName": "runner"}))
    await change_run(operator, "aborted", abort={"reason": "enough"})
    assert run_of(operator, "aborted").status.phase is Phase.ABORTED
    await operator.pass_time(6)
    status = run_of(operator).status
    assert status.phase is Phase.SUCCEEDED
    assert status.output["done"]["details"]["a"] == 1
    runs = {one["metadata"]["name"]: one["status"]["phase"] for one in operator.of_kind("actionflowruns")}
    assert sorted(runs.values()) in (
        ["Aborted", "Aborted", "Succeeded", "Succeeded"],
        ["Aborted", "Succeeded", "Succeeded"],
    )


HIDING = {
    "Nap": action("Use", url="taskaction://executor/sleep", parameters={"duration": "5s"}, ResultPath=None),
    "Use": action(
        None,
        parameters={"__Private_Parameters": ["output"], "output.$": "$._private_token"},
        ResultPath=None,
    ),
}


async def test_private_data_outlives_an_owner_and_is_shown_to_nobody(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", HIDING, input={"_private_token": "s3cret"}, runAs={"serviceAccountName": "me"}))
    (kept,) = operator.of_kind("secrets")
    assert kept["metadata"]["ownerReferences"][0]["uid"] == "uid-of-r"
    assert "s3cret" not in str(run_of(operator).status)
    for shard in range(4):
        operator.control.runs.intake.on_shard_acquired(shard)  # as if another had owned it: all is read again
    await operator.pass_time(6)
    assert run_of(operator).status.phase is Phase.SUCCEEDED
    assert "s3cret" not in str(run_of(operator).status)
    use = children(operator)["2"]
    assert use["spec"]["parametersFrom"][0]["parameter"] == "output"
    assert "s3cret" not in str(use)
    assert [one["metadata"]["name"] for one in operator.of_kind("secrets")] == [use["metadata"]["name"]]


async def test_private_data_needs_an_account(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", HIDING, input={"_private_token": "s3cret"}))
    status = run_of(operator).status
    assert (status.phase, status.reason) == (Phase.FAILED, "Forbidden")
    assert "spec.runAs" in (status.message or "")
