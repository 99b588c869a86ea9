"""``noop``, ``sleep`` and ``fail`` do what they say, and nothing else."""

from typing import Any

import pytest

from support.runs import NOW, later, run
from taskaction.api.enums import RetryClass
from taskaction.executors.basic import FailExecutor, NoopExecutor, SleepExecutor
from taskaction.lifecycle.outcomes import Failed, Pending, Succeeded
from taskaction.plugin.base import AbstractExecutor
from taskaction.plugin.json_schema import model_problem


@pytest.mark.parametrize("output", [None, 0, "", "text", [1, {"a": None}], {"deep": {"er": [True]}}])
async def test_noop_gives_back_what_it_was_given(output: Any) -> None:
    assert await NoopExecutor().execute(run({"output": output})) == Succeeded(output=output)


async def test_noop_without_an_output_gives_null() -> None:
    assert await NoopExecutor().execute(run()) == Succeeded(output=None)


@pytest.mark.parametrize(
    ("passed", "left"),
    [(0.0, 90.0), (89.9, pytest.approx(0.1)), (-5.0, 95.0)],
    ids=["from the start", "near the end", "after the clock was set back"],
)
async def test_sleep_asks_to_be_polled_at_its_end(passed: float, left: float) -> None:
    outcome = await SleepExecutor().poll(later(run({"duration": "1m30s"}), passed))
    assert isinstance(outcome, Pending)
    assert outcome.poll_after == left
    assert outcome.message == "sleeping until 12:01:30 UTC"


@pytest.mark.parametrize("passed", [90.0, 90.001, 86400.0])
async def test_sleep_is_over_when_the_time_has_passed_also_in_another_process(passed: float) -> None:
    assert await SleepExecutor().poll(later(run({"duration": "90s"}), passed)) == Succeeded()


async def test_a_sleep_of_nothing_is_over_at_once() -> None:
    assert await SleepExecutor().execute(run({"duration": "0s"})) == Succeeded()


async def test_a_later_attempt_sleeps_anew() -> None:
    second = run({"duration": "90s"}, attempt=2, started_at=NOW, now=NOW)
    outcome = await SleepExecutor().execute(second)
    assert isinstance(outcome, Pending)
    assert outcome.poll_after == 90.0


async def test_fail_fails_as_it_was_told() -> None:
    parameters = {"message": "no disk", "code": "NoDisk", "retryClass": "System", "retryAfter": "5s"}
    assert await FailExecutor().execute(run(parameters)) == Failed(
        code="NoDisk", message="no disk", retry_class=RetryClass.SYSTEM, retry_after=5.0
    )


async def test_fail_fails_by_default_in_a_way_that_a_retry_may_help() -> None:
    assert await FailExecutor().execute(run()) == Failed(
        code="FailedOnPurpose", message="failed on purpose", retry_class=RetryClass.ERROR
    )


async def test_a_failure_without_class_is_final() -> None:
    outcome = await FailExecutor().execute(run({"retryClass": None}))
    assert isinstance(outcome, Failed)
    assert outcome.retry_class is None


@pytest.mark.parametrize(("attempt", "fails"), [(1, True), (2, True), (3, False), (4, False)])
async def test_fail_fails_the_first_times_only(attempt: int, fails: bool) -> None:
    outcome = await FailExecutor().execute(run({"times": 2}, attempt=attempt))
    assert outcome == Succeeded(output={"attempt": attempt}) if not fails else isinstance(outcome, Failed)


REFUSED = {
    "noop of something else": (NoopExecutor, {"outputs": 1}, "spec.parameters.outputs: "),
    "sleep without a duration": (SleepExecutor, {}, "spec.parameters.duration: "),
    "sleep for a word": (SleepExecutor, {"duration": "soon"}, "spec.parameters.duration: "),
    "sleep backwards": (SleepExecutor, {"duration": "-5s"}, "invalid duration; use e.g. 90s"),
    "sleep for ever": (SleepExecutor, {"duration": "9" * 20 + "h"}, "invalid duration"),
    "a code that is no word": (FailExecutor, {"code": "no disk"}, "spec.parameters.code: "),
    "a message without end": (FailExecutor, {"message": "x" * 1025}, "spec.parameters.message: "),
    "no times": (FailExecutor, {"times": 0}, "spec.parameters.times: "),
    "an unknown class": (FailExecutor, {"retryClass": "Never"}, "spec.parameters.retryClass: "),
}


@pytest.mark.parametrize(("executor", "parameters", "told"), REFUSED.values(), ids=REFUSED)
def test_wrong_parameters_are_named(executor: type[AbstractExecutor], parameters: Any, told: str) -> None:
    assert executor.PARAMETERS
    assert told in str(model_problem(executor.PARAMETERS, parameters, "spec.parameters"))
