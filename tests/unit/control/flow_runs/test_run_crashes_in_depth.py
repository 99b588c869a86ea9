"""Crashes lose and repeat nothing of what lies beside a run's status: Secrets, signals, inline calls and files."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.flow_crashes import COUNT, Crashes
from support.flow_stage import action, change_run, children, run_body, run_of
from support.memory_operator import MemoryOperator
from taskaction.api.enums import Phase

ACCOUNT = {"runAs": {"serviceAccountName": "runner"}}
SECRET = "sesame"
HIDING = {
    "Make": {
        "Type": "ExpressionEval",
        "Parameters": {"_private_word.=": "'ses' + 'ame' + str(n)"},
        "ResultPath": "$.kept",
        "Next": "Use",
    },
    "Use": action(
        "More", COUNT, {"__Private_Parameters": ["hidden"], "hidden.$": "$.kept._private_word", "n.$": "$.n"}
    ),
    "More": {
        "Type": "ExpressionEval",
        "Parameters": {"_private_word.=": "kept['_private_word'] + '!'"},
        "ResultPath": "$.kept",
        "Next": "Again",
    },
    "Again": action(None, COUNT, {"__Private_Parameters": ["hidden"], "hidden.$": "$.kept._private_word"}),
}
ASKING = {
    state: action(
        following, "taskaction://executor/approval", {"prompt": state, "type": "string"}, ResultPath=f"$.{state}"
    )
    for state, following in (("One", "Two"), ("Two", "Do"))
} | {"Do": action(None, COUNT)}
INLINE = {
    "Each": {
        "Type": "Map",
        "Inline": True,
        "ItemsPath": "$.items",
        "MaxConcurrency": 2,
        "ItemProcessor": {"StartAt": "I", "States": {"I": action(None, COUNT, {"item.$": "$"}, ResultPath="$")}},
        "ResultPath": "$.out",
        "Next": "Do",
    },
    "Do": action(None, COUNT),
}
TEXT = "x" * 60_000
LARGE = {
    "Grow": {"Type": "ExpressionEval", "Parameters": {"x.=": "[s] * 5"}, "ResultPath": "$.x", "Next": "First"},
    "First": action("Second", COUNT),
    "Second": action("Shrink", COUNT),
    "Shrink": {"Type": "Pass", "Parameters": {"last.$": "$.x.x[4]"}, "End": True},
}
POINTS = st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=3)
hostile = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


async def answers(operator: MemoryOperator) -> None:
    """Answer whatever the run asks for, once, as somebody does who looks at it."""
    run = run_of(operator)
    asked = [one.name for one in run.status.states if one.name in ASKING]
    said = run.spec.signal
    if run.status.phase is Phase.PAUSED and asked and (said is None or said.id != asked[0]):
        await change_run(operator, "r", signal={"value": f"for {asked[0]}", "id": asked[0], "by": "ann"})


def shown(operator: MemoryOperator) -> str:
    """Give all objects but Secrets."""
    return str([found for key, found in operator.cluster.objects.items() if key[0] != "secrets"])


@hostile
@given(points=POINTS)
async def test_private_data_is_neither_lost_nor_shown(points: list[tuple[int, bool]]) -> None:
    crashes = Crashes(points)
    operator = await crashes.survived(run_body("r", HIDING, input={"n": 7}, **ACCOUNT))
    assert run_of(operator).status.phase is Phase.SUCCEEDED, run_of(operator).status
    assert sorted(one["hidden"] for one in crashes.effects.given.values()) == [f"{SECRET}7", f"{SECRET}7!"]
    assert SECRET not in shown(operator)
    owners = [one["metadata"]["ownerReferences"][0]["uid"] for one in operator.of_kind("secrets")]
    assert set(owners) == {"uid-of-r"}  # so that all go with the run


@hostile
@given(points=POINTS)
async def test_each_answer_reaches_what_asked_for_it(points: list[tuple[int, bool]]) -> None:
    crashes = Crashes(points, people=answers)
    operator = await crashes.survived(run_body("r", ASKING))
    status = run_of(operator).status
    assert status.phase is Phase.SUCCEEDED, status
    assert [status.output[state]["details"]["value"] for state in ("One", "Two")] == ["for One", "for Two"]
    assert len(children(operator)) == 3
    assert len(crashes.effects.done) == 1


@hostile
@given(points=POINTS)
async def test_items_without_objects_are_called_until_each_has_its_result(points: list[tuple[int, bool]]) -> None:
    crashes = Crashes(points)
    operator = await crashes.survived(run_body("r", INLINE, input={"items": list(range(7))}))
    status = run_of(operator).status
    assert status.phase is Phase.SUCCEEDED, status
    assert [one["details"]["item"] for one in status.output["out"]] == list(range(7))
    assert len(crashes.effects.done) == 8  # each key is one effect, however often it is asked for
    assert len(children(operator)) == 1


@settings(hostile, max_examples=15)
@given(points=POINTS)
async def test_what_is_in_files_is_neither_lost_nor_left_over(points: list[tuple[int, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        crashes = Crashes(points, settings={"storage": f"file://{folder}/"})
        operator = await crashes.survived(run_body("r", LARGE, input={"s": TEXT}, ttlSecondsAfterFinished=5))
        status = run_of(operator).status
        assert (status.phase, status.output) == (Phase.SUCCEEDED, {"last": TEXT}), status
        assert len(crashes.effects.done) == 2
        async with crashes.operator() as last:
            await last.pass_time(320, step=2)  # what has ended is looked for every five minutes
            await last.until(lambda: last.of_kind("actionflowruns") == [] and not list(Path(folder).rglob("*.json")))


@pytest.mark.parametrize("states", [HIDING, ASKING, INLINE], ids=["private", "asking", "inline"])
@pytest.mark.parametrize("number", [1, 5])
async def test_the_crashes_that_are_tried_do_come(states: dict[str, Any], number: int) -> None:
    crashes = Crashes([(number, True)], people=answers)
    await crashes.survived(run_body("r", states, input={"n": 7, "items": [1]}, **ACCOUNT))
    assert crashes.happened == 1
