"""The stored form of a run's state, and the limits of what a step may return to the event loop."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from taskaction.control.flow_runs.documents import MOST_VALUES, QUICK_VALUES, SECRET_BYTES, StateDocument
from taskaction.control.flow_runs.limits import LOGGED_BYTES, RunLimits
from taskaction.flows.effects import FlowDecision, FlowLogEntry, StartAction
from taskaction.flows.state import FlowState, Frame
from taskaction.testing.clock import START

LIMITS = RunLimits(state_bytes=16 * 1024 * 1024, remedy="keep less", parameters_bytes=1_000, visits=100)


def state(data: Any, **more: Any) -> FlowState:
    return FlowState(run_id="run-1", context={"run": 1}, root=Frame(at="A", data=data, **more), deadline=START)


STATES = {
    "ordinary": state({"a": [1, {"b": None}]}),
    "private by name": state({"a": {"_private_x": [1, 2]}, "_private": "s"}),
    "private by its origin": state({"a": [1, 2]}, private=(("a", 1),)),
    "text that looks private": state({"a": '"_private'}),
}


@pytest.mark.parametrize("before", STATES.values(), ids=STATES)
def test_a_state_is_what_it_was_after_it_was_stored(before: FlowState) -> None:
    document = StateDocument.from_state(before)
    assert document.to_state() == before
    content = orjson.dumps({"state": orjson.Fragment(document.content), "follows": "7"})
    assert replace(document, content=content, member="state").to_state() == before


def test_nothing_private_is_in_the_content() -> None:
    document = StateDocument.from_state(state({"_private": "sesame", "a": ["sesame", 1]}, private=(("a", 0),)))
    assert b"sesame" not in document.content
    assert len(document.private) == 2


TOO_LARGE = {
    "bytes": (state({"a": "x" * 16 * 1024 * 1024}), "is larger than 16777216 bytes; keep less"),
    "values": (state({"a": [0] * MOST_VALUES}), "has more than 250000 values; keep less"),
    "private data": (state({"_private": "x" * SECRET_BYTES}), "has more than 1048576 bytes of private data; keep less"),
}


@pytest.mark.parametrize(("large", "problem"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_state_has_limits(large: FlowState, problem: str) -> None:
    assert LIMITS.state_problem(StateDocument.from_state(large)) == f"the state of the flow {problem}"


def test_signs_in_texts_are_no_values() -> None:
    document = StateDocument.from_state(state({"a": ",[{" * MOST_VALUES}))
    assert document.values > MOST_VALUES
    assert LIMITS.state_problem(document) is None


def test_the_number_of_values_is_never_underestimated() -> None:
    document = StateDocument.from_state(state({"a": [[]] * QUICK_VALUES, "_private": [0] * 10}))
    assert document.values > QUICK_VALUES + 10


def test_the_log_shows_the_size_of_large_values() -> None:
    details = {"state_name": "A", "input": "x" * LOGGED_BYTES, "output": [1]}
    small = FlowLogEntry(time=START, code="PassStarted", details={"input": {"_private": 1, "a": 2}})
    large = FlowLogEntry(time=START, code="PassCompleted", details=details)
    entries = LIMITS.apply(FlowDecision(state=state({}), entries=(small, large))).entries
    assert entries[0].details == {"input": {"a": 2}}
    assert entries[1].details == {"state_name": "A", "input": {"bytes": LOGGED_BYTES + 2}, "output": {"bytes": 3}}


def test_an_action_with_an_input_that_is_too_large_has_a_problem_instead() -> None:
    start = StartAction(visit="1", state_name="A", url="taskaction://executor/noop", body={"output": "x" * 1_000})
    (bound,) = LIMITS.bound_starts([start])
    assert bound.body == {}
    assert bound.problem == (
        "the input of the action: 1013 bytes, more than the maximum of 1000; store the data elsewhere and pass its "
        "address"
    )
    hidden = replace(start, private=(("output",),))  # it is read from a Secret
    assert LIMITS.bound_starts([hidden]) == (hidden,)
