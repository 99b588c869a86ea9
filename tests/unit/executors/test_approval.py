"""``approval`` waits for an answer that fits, and says who gave it."""

from typing import Any

import pytest

from support.runs import NOW, later, run
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Signal
from taskaction.executors.approval import ApprovalExecutor, ApprovalParameters
from taskaction.lifecycle.outcomes import Failed, Outcome, Paused, Succeeded
from taskaction.plugin.base import Run
from taskaction.plugin.evaluation import Evaluator
from taskaction.plugin.json_schema import model_problem


def asked(**parameters: Any) -> Run:
    return run({"prompt": "ship it?"} | parameters)


async def answered(value: Any, **parameters: Any) -> Outcome:
    """Give what comes of an answer by ada."""
    return await ApprovalExecutor(Evaluator()).poll(
        later(asked(**parameters), 5, signal=Signal(value=value, by="ada", at=NOW))
    )


async def test_it_pauses_with_its_prompt_until_somebody_answers() -> None:
    outcome = await ApprovalExecutor(Evaluator()).execute(asked())
    assert outcome == Paused(message="ship it?", reason=Reason.WAITING_FOR_SIGNAL)


@pytest.mark.parametrize("value", [True, False])
async def test_the_answer_is_given_with_who_gave_it_and_when(value: bool) -> None:
    assert await answered(value) == Succeeded(output={"value": value, "by": "ada", "at": "2026-01-01T12:00:00.000Z"})


async def test_an_answer_by_nobody_known_is_an_answer() -> None:
    outcome = await ApprovalExecutor(Evaluator()).poll(later(asked(), 5, signal=Signal(value=True)))
    assert outcome == Succeeded(output={"value": True, "by": None, "at": None})


FITS = [
    ("boolean", True),
    ("string", ""),
    ("integer", 0),
    ("number", 1.5),
    ("number", 3),
    ("object", {}),
    ("array", []),
    ("any", None),
    ("any", {"a": 1}),
]
MISFITS = [
    ("boolean", "true"),
    ("boolean", 1),
    ("string", 1),
    ("integer", True),
    ("integer", 1.5),
    ("number", False),
    ("number", "1"),
    ("object", []),
    ("array", {}),
    ("string", None),
]


@pytest.mark.parametrize(("type_", "value"), FITS)
async def test_a_value_of_the_declared_type_is_taken(type_: str, value: Any) -> None:
    outcome = await answered(value, type=type_)
    assert isinstance(outcome, Succeeded)
    assert outcome.output["value"] == value


@pytest.mark.parametrize(("type_", "value"), MISFITS)
async def test_a_value_of_another_type_is_refused_and_waited_on(type_: str, value: Any) -> None:
    outcome = await answered(value, type=type_)
    assert isinstance(outcome, Paused)
    assert outcome.message.startswith(f"ship it? (the last signal was refused: expected {type_}, got ")


async def test_a_value_that_the_schema_refuses_is_refused_with_the_reason() -> None:
    schema = {"properties": {"size": {"maximum": 3}}}
    outcome = await answered({"size": 4}, type="object", schema=schema)
    assert isinstance(outcome, Paused)
    assert "(the last signal was refused: size: is greater than the maximum of 3)" in outcome.message
    assert isinstance(await answered({"size": 3}, type="object", schema=schema), Succeeded)


async def test_a_no_fails_the_action_where_it_should() -> None:
    failed = Failed(code="Rejected", message="rejected by ada", retry_class=None)
    assert await answered(False, failOnReject=True) == failed
    assert isinstance(await answered(True, failOnReject=True), Succeeded)


@pytest.mark.parametrize("value", [0, "", None, []])
async def test_only_false_is_a_no(value: Any) -> None:
    assert isinstance(await answered(value, failOnReject=True, type="any"), Succeeded)


# -- the timeout -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("passed", "left"), [(0, 60.0), (59.5, 0.5)])
async def test_it_asks_to_be_polled_at_the_timeout(passed: float, left: float) -> None:
    outcome = await ApprovalExecutor(Evaluator()).poll(later(asked(timeout="1m"), passed))
    assert isinstance(outcome, Paused)
    assert outcome.poll_after == left


async def test_without_a_default_nobodys_answer_is_a_failure() -> None:
    outcome = await ApprovalExecutor(Evaluator()).poll(later(asked(timeout="1m"), 60))
    assert outcome == Failed(code="ApprovalTimeout", message="no signal before the timeout: ship it?", retry_class=None)


@pytest.mark.parametrize("default", [True, False])
async def test_the_default_is_taken_after_the_timeout(default: bool) -> None:
    outcome = await ApprovalExecutor(Evaluator()).poll(later(asked(timeout="1m", default=default), 61))
    assert isinstance(outcome, Succeeded)
    assert outcome.output == {"value": default, "by": None, "at": None}
    assert outcome.message == "no signal before the timeout; used the default"


async def test_a_default_of_no_fails_the_action_where_a_no_does() -> None:
    outcome = await ApprovalExecutor(Evaluator()).poll(later(asked(timeout="1m", default=False, failOnReject=True), 61))
    assert isinstance(outcome, Failed)
    assert outcome.code == "Rejected"


async def test_an_answer_that_came_in_time_counts_also_when_it_is_read_late() -> None:
    late = later(asked(timeout="1m", default=False), 61, signal=Signal(value=True, by="ada", at=NOW))
    outcome = await ApprovalExecutor(Evaluator()).poll(late)
    assert isinstance(outcome, Succeeded)
    assert outcome.output["by"] == "ada"


async def test_a_wrong_answer_does_not_prolong_the_timeout() -> None:
    wrong = Signal(value="perhaps", by="ada", at=NOW)
    outcome = await ApprovalExecutor(Evaluator()).poll(later(asked(timeout="1m"), 40, signal=wrong))
    assert isinstance(outcome, Paused)
    assert outcome.poll_after == 20.0
    assert isinstance(await ApprovalExecutor(Evaluator()).poll(later(asked(timeout="1m"), 60, signal=wrong)), Failed)


REFUSED = {
    "a default of another type": ({"default": "yes"}, "default: is not of type boolean"),
    "a default that the schema refuses": (
        {"type": "integer", "default": 9, "schema": {"maximum": 3}},
        "default: is greater",
    ),
    "a schema that is none": ({"schema": {"type": "yes"}}, "schema.type: 'yes' is"),
    "a schema that is too large": ({"schema": {"description": "x" * 70000}}, "at most 65536 are allowed"),
    "an unknown type": ({"type": "date"}, "spec.parameters.type: "),
    "a prompt without end": ({"prompt": "x" * 901}, "spec.parameters.prompt: "),
    "a misspelt name": ({"timout": "1m"}, "spec.parameters.timout: "),
}


@pytest.mark.parametrize(("parameters", "told"), REFUSED.values(), ids=REFUSED)
def test_wrong_parameters_are_named_before_anybody_is_asked(parameters: Any, told: str) -> None:
    assert told in str(model_problem(ApprovalParameters, parameters, "spec.parameters"))
