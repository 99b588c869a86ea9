"""What is wrong with a definition is said where it is wrong, all of it at once."""

from typing import Any

import pytest

from taskaction.flows.program import FlowProgram, compile_definition
from taskaction.flows.validation import validate_definition

END = {"End": True}
PASS = {"Type": "Pass", **END}
HANDLER = {"Type": "ActionProvider", "Url": "http://x"}
ACTION = {"Type": "Action", "ActionUrl": "https://target/ap", "Parameters": {}, **END}


def problems(state: Any, **others: Any) -> list[tuple[str, str]]:
    found = compile_definition({"StartAt": "A", "States": {"A": state, **others}})
    assert not isinstance(found, FlowProgram)
    return [(one.path, one.message) for one in found]


@pytest.mark.parametrize(
    ("state", "path", "why"),
    [
        ({"Type": "Task", **END}, "$.States.A", "use Action"),
        ({"Type": "Succeed"}, "$.States.A", "use Pass with End"),
        ({}, "$.States.A", "Type is required"),
        ({"Type": "Pass"}, "$.States.A", "either Next"),
        ({"Type": "Pass", "Next": "A", **END}, "$.States.A", "either Next"),
        ({"Type": "Pass", "End": False}, "$.States.A", "either Next"),
        ({"Type": "Pass", "OutputPath": "$", **END}, "$.States.A.OutputPath", "unknown field"),
        ({**ACTION, "TimeoutSeconds": 5}, "$.States.A.TimeoutSeconds", "an Action has WaitTime"),
        ({**ACTION, "Resource": "arn:x"}, "$.States.A.Resource", "with an ActionUrl"),
        ({**ACTION, "ActionUrl": "https://x/?a=1"}, "$.States.A.ActionUrl", "must be a base URL"),
        ({**ACTION, "ActionUrl": "https://"}, "$.States.A.ActionUrl", "must be a base URL"),
        (
            {**ACTION, "Catch": [{"ErrorEquals": ["States.All"], "Next": "A"}]},
            "$.States.A.Catch[0].ErrorEquals[0]",
            "unknown error 'States.All'; use one of States.ALL",
        ),
        ({**PASS, "Result": {}, "Parameters": {}}, "$.States.A", "set either Parameters or Result, not both"),
        (
            {**PASS, "Parameters": {"my key": {"b.$": "x"}}},
            "$.States.A.Parameters['my key']['b.$']",
            "must start with $",
        ),
        ({**PASS, "InputPath": "$.x", "Parameters": {}}, "$.States.A", "set either Parameters or InputPath, not both"),
        ({**PASS, "InputPath": "x"}, "$.States.A.InputPath", "must start with $"),
        ({**PASS, "ResultPath": "$.a[*]"}, "$.States.A.ResultPath", "several values"),
        ({**PASS, "ResultPath": "$._context.x"}, "$.States.A.ResultPath", "read-only"),
        ({**PASS, "Parameters": {"a": [{"b.$": "x"}]}}, "$.States.A.Parameters.a[0]['b.$']", "must start with $"),
        ({**PASS, "Parameters": {"b.=": "1 +"}}, "$.States.A.Parameters['b.=']", "not a valid expression"),
        ({**PASS, "Parameters": {"b.=": 5}}, "$.States.A.Parameters['b.=']", "an expression"),
        ({**PASS, "Parameters": {"b": 1, "b.$": "$.x"}}, "$.States.A.Parameters['b.$']", "set twice"),
        (
            {**PASS, "Parameters": {"__Private_Parameters": ["pw"]}},
            "$.States.A.Parameters.__Private_Parameters",
            "property 'pw' not found",
        ),
        ({"Type": "Action", "Parameters": {}, **END}, "$.States.A", "either ActionUrl or Handler"),
        ({"Type": "Action", "ActionUrl": "https://x", **END}, "$.States.A", "either Parameters or InputPath"),
        ({**ACTION, "ActionUrl": "ftp://x"}, "$.States.A.ActionUrl", "must start with https://"),
        ({**ACTION, "ActionUrl": "taskaction://what/x"}, "$.States.A.ActionUrl", "taskaction://provider/NAME"),
        ({**ACTION, "WaitTime": "3"}, "$.States.A.WaitTime", "integer"),
        ({**ACTION, "Catch": [{"ErrorEquals": [], "Next": "A"}]}, "$.States.A.Catch[0].ErrorEquals", "at least 1"),
        ({**ACTION, "Catch": [{"ErrorEquals": ["States.ALL", "X"], "Next": "A"}]}, "$.States.A.Catch", "alone"),
        ({**ACTION, "ActionUrl": None, "Handler": "urn:globus:x"}, "$.States.A.Handler", "internal to Globus"),
        ({**ACTION, "Handler": {"Type": "RegisteredAPI", "Id": "7"}}, "$.States.A.Handler", "exists in Globus only"),
        ({"Type": "Wait", **END}, "$.States.A", "exactly one of Seconds"),
        ({"Type": "Wait", "Seconds": 1, "SecondsPath": "$.x", **END}, "$.States.A", "exactly one of Seconds"),
        ({"Type": "Wait", "Timestamp": "tomorrow", **END}, "$.States.A.Timestamp", "RFC 3339"),
        ({"Type": "Fail", "Error": "x", "ErrorPath": "$.x"}, "$.States.A", "set either Error or ErrorPath, not both"),
        ({"Type": "Choice", "Choices": []}, "$.States.A.Choices", "at least 1"),
        ({"Type": "ExpressionEval", "Parameters": {}, **END}, "$.States.A.ResultPath", "is required"),
        (
            {"Type": "Map", "Parameters": {}, "ItemProcessor": {"StartAt": "A", "States": {"A": PASS}}, **END},
            "$.States.A",
            "use ItemSelector",
        ),
        (
            {
                "Type": "Map",
                "MaxConcurrency": 1,
                "MaxConcurrencyPath": "$.n",
                "ItemProcessor": {"StartAt": "A", "States": {"A": PASS}},
                **END,
            },
            "$.States.A",
            "set either MaxConcurrency or MaxConcurrencyPath, not both",
        ),
        (
            {
                "Type": "Map",
                "ToleratedFailureCountPath": "$.n[*]",
                "ItemProcessor": {"StartAt": "A", "States": {"A": PASS}},
                **END,
            },
            "$.States.A.ToleratedFailureCountPath",
            "several values",
        ),
        (
            {"Type": "Map", "ItemReader": {}, "ItemProcessor": {"StartAt": "A", "States": {"A": PASS}}, **END},
            "$.States.A.ItemReader",
            "read the items by an Action",
        ),
        (
            {"Type": "Parallel", "Branches": [{"StartAt": "X", "States": {"Y": PASS}}], **END},
            "$.States.A.Branches[0].StartAt",
            "unknown state 'X'",
        ),
    ],
)
def test_a_state_that_is_wrong_says_where_and_why(state, path, why) -> None:
    found = problems(state)
    assert path in [place for place, _ in found], found
    assert any(why in message for place, message in found if place == path), found


@pytest.mark.parametrize(
    ("states", "path", "why"),
    [
        ({"A": {"Type": "Pass", "Next": "B"}}, "$.States.A.Next", "unknown state 'B'; use one of A"),
        ({"A": PASS, "B": PASS}, "$.States.B", "unreachable"),
        ({"The first": {"Type": "Pass", "Next": "B"}}, "$.States['The first'].Next", "use one of The first"),
        (
            {"A": {**ACTION, "Catch": [{"ErrorEquals": ["X"], "Next": "B"}]}},
            "$.States.A.Catch[0].Next",
            "unknown state 'B'",
        ),
        (
            {"A": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsNull": True, "Next": "B"}], "Default": "C"}},
            "$.States.A.Default",
            "unknown state 'C'",
        ),
    ],
)
def test_a_graph_that_is_not_whole_is_refused(states, path, why) -> None:
    program = compile_definition({"StartAt": next(iter(states)), "States": states})
    assert not isinstance(program, FlowProgram)
    found = {one.path: one.message for one in program}
    assert why in found[path]


BROKEN_RULES = [
    {"Variable": "$.x", "IsNul": True, "Next": "B"},
    {"Variable": "$.", "IsNull": True, "Next": "B"},
    {"IsNull": True, "Next": "B"},
    {"Variable": "$.x", "IsNull": True, "Next": "b"},
    {"Variable": "$.x", "IsNull": True},
    {"Variable": "$.x", "Next": "B"},
    {"And": [], "Next": "B"},
]


@pytest.mark.parametrize("rule", BROKEN_RULES)
def test_a_state_behind_a_broken_rule_is_not_called_unreachable(rule: dict[str, Any]) -> None:
    found = problems({"Type": "Choice", "Choices": [rule], "Default": "C"}, B=PASS, C=PASS)
    assert len(found) == 1
    assert found[0][0].startswith("$.States.A.Choices[0]")


def test_a_misspelled_next_is_the_only_problem() -> None:
    assert [place for place, _ in problems({"Type": "Pass", "Next": "b"}, B=PASS)] == ["$.States.A.Next"]


def test_comments_are_taken_wherever_the_states_language_has_them() -> None:
    said = {"Comment": "why"}
    inner = {"StartAt": "I", "States": {"I": {**PASS, **said}}, **said}
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "B", **said}]
    retry = [{"ErrorEquals": ["ActionTimeout"], **said}]
    rule = {"And": [{"Variable": "$.x", "IsNull": True, **said}], "Next": "C", **said}
    states = {
        "A": {"Type": "Map", "ItemsPath": "$.l", "ItemProcessor": inner, "Catch": catch, "Retry": retry, "Next": "B"},
        "B": {"Type": "Choice", "Choices": [rule], "Default": "C", **said},
        "C": {"Type": "Parallel", "Branches": [inner], **END, **said},
    }
    assert validate_definition({"StartAt": "A", "States": states, **said}) == ()


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = problems({**PASS, "InputPath": "x", "ResultPath": "y"}, C=PASS, B=PASS)
    assert [place for place, _ in found] == [
        "$.States.A.InputPath",
        "$.States.A.ResultPath",
        "$.States.B",
        "$.States.C",
    ]


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass", "Next": "B", "End": False},
        {**PASS, "Parameters": {"__Private_Parameters": ["pw"], "pw.$": "$.x"}},
        {**PASS, "Parameters": {"__Private_Parameters": ["pw.$", "a.="], "pw.$": "$.x", "a.=": "1"}},
        {**PASS, "InputPath": "$.user-transfer.submitting-user-id"},
        {**ACTION, "Handler": {"Type": "ActionProvider", "Url": "https://x/ap", "Scope": "urn:s"}, "ActionUrl": None},
        {**ACTION, "Catch": [{"ErrorEquals": ["EndpointError", "States.Runtime"], "Next": "A"}]},
    ],
)
def test_what_published_flows_write_is_taken(state) -> None:
    states = {"A": state} | ({"B": PASS} if "Next" in state else {})
    assert validate_definition({"StartAt": "A", "States": states}) == ()


@pytest.mark.parametrize("document", [None, 5, [], "x", {"StartAt": "A"}, {"StartAt": 1, "States": {"A": PASS}}])
def test_what_is_no_definition_at_all_is_refused(document) -> None:
    assert not isinstance(compile_definition(document), FlowProgram)


@pytest.mark.parametrize(
    ("states", "paths"),
    [
        ({"A": PASS}, []),
        ({"A": {**ACTION, "Retry": [{"ErrorEquals": ["X"]}]}}, ["$.States.A.Retry"]),
        ({"A": {**ACTION, "ActionUrl": "taskaction://provider/x"}}, ["$.States.A.ActionUrl"]),
        ({"A": {**ACTION, "ActionUrl": "http://x"}}, ["$.States.A.ActionUrl"]),
        ({"A": {**ACTION, "ActionUrl": None, "Handler": HANDLER}}, ["$.States.A.Handler.Url"]),
        ({"A": {**PASS, "ResultPath": None}}, ["$.States.A.ResultPath"]),
        (
            {"A": {**ACTION, "Catch": [{"ErrorEquals": ["X"], "Next": "A", "ResultPath": None}]}},
            ["$.States.A.Catch[0].ResultPath"],
        ),
        ({"A": {**PASS, "Result": 5}}, ["$.States.A.Result"]),
        ({"A": {**PASS, "Parameters": {"r.$": "$._context.run_id", "f.$": "$._context.flow_id"}}}, []),
        ({"A": {**PASS, "Parameters": {"b.$": "$._context.flow_name"}}}, ["$.States.A.Parameters['b.$']"]),
        ({"A": {**PASS, "Parameters": {"b.=": "_context.run_name"}}}, ["$.States.A.Parameters['b.=']"]),
        ({"A": {**PASS, "InputPath": "$._context.namespace"}}, ["$.States.A.InputPath"]),
        ({"A": {"Type": "Fail", "CausePath": "$._context.flow_name"}}, ["$.States.A.CausePath"]),
        (
            {
                "A": {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$._context.namespace", "IsNull": True, "Next": "B"}],
                    "Default": "B",
                },
                "B": PASS,
            },
            ["$.States.A.Choices[0]"],
        ),
        ({"A": {**PASS, "Parameters": {"b.=": "getattr('_context.flow_name', 'x')"}}}, []),
        ({"A": {**PASS, "Parameters": {"a": [{"b.$": "$"}]}}}, ["$.States.A.Parameters.a[0]['b.$']"]),
        ({"A": {**PASS, "Parameters": {"b.=": "len(list('a'))"}}}, ["$.States.A.Parameters['b.=']"]),
        (
            {"A": {"Type": "Parallel", "Branches": [{"StartAt": "X", "States": {"X": PASS}}], **END}},
            ["$.States.A.Type"],
        ),
    ],
)
def test_what_globus_does_not_have_is_refused_where_a_flow_must_stay_portable(states, paths) -> None:
    document = {"StartAt": "A", "States": states}
    assert validate_definition(document, strict=False) == ()
    assert [one.path for one in validate_definition(document, strict=True)] == paths


def test_a_name_of_the_context_is_reported_once_with_those_that_exist() -> None:
    def problems(path: str) -> list[str]:
        document = {"StartAt": "A", "States": {"A": {**PASS, "Parameters": {"b.$": path}}}}
        return [one.message.partition(";")[0] for one in validate_definition(document, strict=True)]

    globus = "email, flow_id, identities, run_id, token_info, user_id, username"
    own = "flow_id, flow_name, namespace, run_id, run_name"
    name = "$._context.flow_name"
    assert problems(name) == [f"in Globus Flows, {name} never exists here: $._context has only {globus}"]
    for name in ("$._context.email", "$._context.nothing"):
        assert problems(name) == [f"{name} never exists here: $._context has only {own}"]
