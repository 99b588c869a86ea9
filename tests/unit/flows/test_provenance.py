"""What comes from a private place stays private, wherever a flow puts it; also numbers and short texts."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.flows import machine
from taskaction.flows.effects import FlowDecision, StartAction
from taskaction.flows.privacy import (
    WHOLE,
    hide,
    places_after_write,
    places_below,
    private_places,
    restore_private,
    split_private,
)
from taskaction.flows.program import FlowProgram, compile_definition
from taskaction.flows.state import FlowState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRETS = (7351, "k9", "a longer secret")
COPIES: dict[str, dict[str, Any]] = {
    "by InputPath": {"Type": "Pass", "InputPath": "$._private_x", "ResultPath": "$.copy"},
    "by a wildcard": {"Type": "Pass", "InputPath": "$.*", "ResultPath": "$.copy"},
    "by a descent": {"Type": "Pass", "InputPath": "$..value", "ResultPath": "$.copy"},
    "by a parameter": {"Type": "Pass", "Parameters": {"a": [{"b.$": "$._private_x"}]}, "ResultPath": "$.copy"},
    "in an object": {"Type": "Pass", "InputPath": "$._private_box.value", "ResultPath": "$.copy"},
    "by an expression": {
        "Type": "ExpressionEval",
        "Parameters": {"text.=": "'it is ' + str(_private_x)"},
        "ResultPath": "$.copy",
    },
    "by a back-quoted path": {
        "Type": "ExpressionEval",
        "Parameters": {"text.=": "str(`$._private_x`)"},
        "ResultPath": "$.copy",
    },
    "by a computed name": {
        "Type": "ExpressionEval",
        "Parameters": {"text.=": "str(getattr('_pri' + 'vate_x'))"},
        "ResultPath": "$.copy",
    },
    "from the whole of an object": {
        "Type": "ExpressionEval",
        "Parameters": {"text.=": "str(outer)"},
        "ResultPath": "$.copy",
    },
    "of a private parameter": {
        "Type": "ExpressionEval",
        "Parameters": {"__Private_Parameters": ["text"], "text.$": "$._private_x"},
        "ResultPath": "$.copy",
    },
    "in branches": {
        "Type": "Parallel",
        "InputPath": "$._private_x",
        "Branches": [{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}],
        "ResultPath": "$.copy",
    },
    "by a Map": {
        "Type": "Map",
        "ItemsPath": "$._private_list",
        "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}},
        "ResultPath": "$.copy",
    },
    "by the item of a Map": {
        "Type": "Map",
        "ItemsPath": "$._private_list",
        "ItemSelector": {"item.$": "$._context.Map.Item.Value"},
        "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}},
        "ResultPath": "$.copy",
    },
}
USES = {
    "twice": {"Type": "Pass", "InputPath": "$.copy", "ResultPath": "$.again"},
    "in a text": {"Type": "ExpressionEval", "Parameters": {"t.=": "f'{copy}'"}, "ResultPath": "$.again"},
    "as the whole state": {"Type": "Pass", "InputPath": "$", "ResultPath": "$.again"},
    "as the only state": {"Type": "Pass", "InputPath": "$.copy"},
}
ACTION = {"Type": "Action", "ActionUrl": "taskaction://executor/http", "WaitTime": 10, "End": True}


def compiled(states: dict[str, Any]) -> FlowProgram:
    names = list(states)
    chain = {
        name: states[name] | ({"Next": names[number + 1]} if name != names[-1] else {})
        for number, name in enumerate(names)
    }
    found = compile_definition({"StartAt": names[0], "States": chain})
    assert isinstance(found, FlowProgram), found
    return found


def run_through(program: FlowProgram, value: Any) -> FlowDecision:
    data = {
        "_private_x": value,
        "_private_list": [value],
        "_private_box": {"value": value},
        "outer": {"_private_x": value, "n": 1},
        "open": "seen by all",
    }
    return machine.start(program, "run-1", data, {}, NOW)


def seen(decision: FlowDecision) -> str:
    """Return all that people see of a decision: the log, the state as it is stored, manifests and the output."""
    document = decision.state.to_json()
    stored, _ = split_private(document, [*private_places(document), *decision.state.stored_private()])
    starts = [hide(one.body, one.private) for one in decision.effects if isinstance(one, StartAction)]
    log = [entry.to_json() for entry in decision.entries]
    outcome = decision.outcome
    return str([stored, starts, log, outcome.output if outcome else "", outcome.failure if outcome else ""])


@pytest.mark.parametrize("value", SECRETS)
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_of_a_private_value_is_shown_nowhere(copy: str, use: str, value: Any) -> None:
    given = {"Type": "Pass", "Parameters": {"given.$": "$.copy"}} if use == "as the only state" else {}
    states = {
        "Copy": COPIES[copy],
        "Use": USES[use],
        "Call": ACTION | ({"InputPath": "$"} if given else {"Parameters": {"p.$": "$.again"}}),
    }
    decision = run_through(compiled(states), value)
    assert str(value) not in seen(decision)
    kept = json.dumps(decision.state.to_json()["root"]["data"])
    assert json.dumps(value)[1:-1] in kept or str(value) in kept  # the flow itself has it


@pytest.mark.parametrize("value", SECRETS)
@pytest.mark.parametrize("copy", COPIES)
def test_a_state_with_copies_is_stored_and_read_again(copy: str, value: Any) -> None:
    decision = run_through(compiled({"Copy": COPIES[copy], "Call": ACTION | {"Parameters": {"p.$": "$.copy"}}}), value)
    document = decision.state.to_json()
    stored, kept = split_private(document, [*private_places(document), *decision.state.stored_private()])
    assert FlowState.from_json(json.loads(json.dumps(restore_private(stored, kept)))) == decision.state


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Fail", "Error": "No", "CausePath": "$._private_x"},
        {"Type": "Fail", "ErrorPath": "$._private_x", "Cause": "no"},
        {"Type": "ExpressionEval", "Parameters": {"n.=": "int(str(copy) + 'x')"}, "ResultPath": "$.n", "End": True},
        {"Type": "ExpressionEval", "Parameters": {"n.=": "{}[str(copy)]"}, "ResultPath": "$.n", "End": True},
        {"Type": "CreateWebInput", "InputPath": "$.copy", "ResultPath": "$.n", "End": True},
    ],
)
@pytest.mark.parametrize("value", ["k9", "a longer secret"])
def test_an_error_about_a_private_value_does_not_quote_it(state: dict[str, Any], value: Any) -> None:
    decision = run_through(compiled({"Copy": COPIES["by InputPath"], "Last": state}), value)
    assert decision.outcome is not None
    assert decision.outcome.failure is not None
    assert value not in seen(decision)


@pytest.mark.parametrize("text", ["outer.n + 1", "open + '!'", "[one for one in [1, 2]]", "`$.outer.n`"])
def test_what_has_nothing_private_in_it_is_shown(text: str) -> None:
    state = {"Type": "ExpressionEval", "Parameters": {"r.=": text}, "ResultPath": "$.out", "End": True}
    decision = run_through(compiled({"Only": state}), "k9")
    assert decision.outcome is not None
    assert decision.outcome.output["out"]["r"]
    assert decision.state.root.private == ()


def test_a_value_that_is_overwritten_is_no_longer_private() -> None:
    states = {
        "Copy": COPIES["by InputPath"],
        "Over": {"Type": "Pass", "Result": 1, "ResultPath": "$.copy", "End": True},
    }
    decision = run_through(compiled(states), "k9")
    assert decision.outcome is not None
    assert decision.outcome.output == {"outer": {"n": 1}, "open": "seen by all", "copy": 1}


PLACE = st.lists(st.sampled_from(["a", "b", 0, 1]), max_size=3).map(tuple)


@given(private=st.lists(PLACE, max_size=3), at=PLACE, value=st.lists(PLACE, max_size=2))
def test_places_follow_what_is_written(private: Any, at: Any, value: Any) -> None:
    after = places_after_write(private, at, value)
    for one in value:
        assert places_below(after, (*at, *one)) == WHOLE
    if not any(len(one) < len(at) and at[: len(one)] == one for one in private) and not value:
        assert places_below(after, at) == ()


def test_a_private_whole_is_shown_as_such() -> None:
    assert hide({"a": 1}, WHOLE) == "[redacted]"
    assert hide({"a": [1, 2], "_private": 3}, (("a", 1),)) == {"a": [1, None]}
