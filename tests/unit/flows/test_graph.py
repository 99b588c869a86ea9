"""The picture of a flow: what leads where, and that no text of a user can break it."""

from taskaction.flows.definition import FlowDefinition, parse_definition
from taskaction.flows.graph import mermaid

ACTION = {"Type": "Action", "ActionUrl": "https://target/ap", "Parameters": {}, "ResultPath": "$.a"}


def drawn(states: dict, start_at: str | None = None) -> str:
    found = parse_definition({"StartAt": start_at or next(iter(states)), "States": states})
    assert isinstance(found, FlowDefinition), found
    return mermaid(found)


def test_every_way_through_a_flow_is_an_arrow() -> None:
    below = {"Variable": "$.n", "NumericLessThan": 3}
    states = {
        "Copy": {**ACTION, "Next": "Enough?", "Catch": [{"ErrorEquals": ["ActionTimeout", "X"], "Next": "Tell"}]},
        "Enough?": {
            "Type": "Choice",
            "Choices": [{"And": [below, {"Not": {"Variable": "$.s", "IsNull": True}}], "Next": "Rest"}],
            "Default": "Done",
        },
        "Rest": {"Type": "Wait", "Seconds": 5, "Next": "Copy"},
        "Tell": {"Type": "Fail", "Error": "NotCopied"},
        "Done": {"Type": "Pass", "End": True},
    }
    assert drawn(states).splitlines() == [
        "flowchart TD",
        '  f0begin(("start"))',
        '  f0s0[["Copy<br/>https://target/ap"]]',
        '  f0s1{"Enough?"}',
        '  f0s2(["Rest<br/>Wait: 5 s"])',
        '  f0s3[/"Tell<br/>Fail: NotCopied"/]',
        '  f0s4["Done<br/>Pass"]',
        '  f0done((("end")))',
        "  f0begin --> f0s0",
        "  f0s0 --> f0s1",
        '  f0s0 -.->|"ActionTimeout, X"| f0s3',
        '  f0s1 -->|"$.n #lt; 3 and not ($.s IsNull true)"| f0s2',
        '  f0s1 -->|"otherwise"| f0s4',
        "  f0s2 --> f0s0",
        "  f0s4 --> f0done",
    ]


def test_what_is_inside_of_a_state_is_drawn_inside_of_it() -> None:
    inner = {"StartAt": "X", "States": {"X": {"Type": "Pass", "End": True}}}
    lines = drawn(
        {
            "Both": {"Type": "Parallel", "Branches": [inner, inner], "Next": "Each"},
            "Each": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": inner, "End": True},
        }
    ).splitlines()
    assert '  subgraph f0s0["Both (Parallel)"]' in lines
    assert '    f2s0["X<br/>Pass"]' in lines
    assert '  subgraph f0s1["Each (Map: $.items)"]' in lines
    assert lines.count("  end") == 2
    assert "  f0s0 --> f0s1" in lines


def test_a_number_of_any_size_is_drawn() -> None:
    rule = {"Variable": "$.n", "NumericEquals": 10**30, "Next": "Done"}
    lines = drawn({"A": {"Type": "Choice", "Choices": [rule]}, "Done": {"Type": "Pass", "End": True}}).splitlines()
    assert f'  f0s0 -->|"$.n = 1{"0" * 30}"| f0s1' in lines


def test_no_text_can_break_the_picture() -> None:
    (line,) = [
        line for line in drawn({'a"] -->\n x[`#': {"Type": "Pass", "End": True}}).splitlines() if "f0s0[" in line
    ]
    assert line == '  f0s0["a#quot;] --#gt;  x[#96;#35;<br/>Pass"]'
