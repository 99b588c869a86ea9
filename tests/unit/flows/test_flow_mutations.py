"""Whatever is written into a definition, checking it gives problems or a program, and never fails."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from taskaction.flows import definition as words
from taskaction.flows.graph import mermaid
from taskaction.flows.validation import validate_definition

ACTION = {
    "Type": "Action",
    "ActionUrl": "https://target/ap",
    "Parameters": {"a.$": "$.a", "b": [{"c.=": "a + 1"}], "pw": 1, "__Private_Parameters": ["pw"]},
    "ResultPath": "$.done",
    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "End", "ResultPath": "$.why"}],
    "Retry": [{"ErrorEquals": ["ActionTimeout"], "MaxAttempts": 2}],
}
INNER = {"StartAt": "I", "States": {"I": {"Type": "Fail", "ErrorPath": "$.e"}}}
WHOLE = {
    "StartAt": "Do",
    "States": {
        "Do": {**ACTION, "Next": "Which?"},
        "Which?": {
            "Type": "Choice",
            "Choices": [{"And": [{"Not": {"Variable": "$.x", "IsNull": True}}], "Next": "Each"}],
            "Default": "Rest",
        },
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.l",
            "ItemSelector": {"e": "x"},
            "ItemProcessor": INNER,
            "ResultPath": "$.each",
            "Next": "All",
        },
        "All": {"Type": "Parallel", "Branches": [INNER, INNER], "Next": "Rest"},
        "Rest": {"Type": "Wait", "TimestampPath": "$.t", "Next": "End"},
        "End": {"Type": "Pass", "InputPath": "$", "End": True},
    },
}
WORDS = [
    "Action",
    "Pass",
    "Task",
    "$",
    "$.a",
    "$..a[?@.x]",
    "$$.x",
    "States.ALL",
    "1 +",
    "`$.a`",
    "Type",
    "Next",
    "a.$",
]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from([*WORDS, "a" * 2000])
)
VALUES = st.recursive(
    st.one_of(SCALARS, st.just(WHOLE), st.just(ACTION)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(WORDS), inner, max_size=2)),
    max_leaves=4,
)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give where anything is in a document."""
    yield place
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(one, (*place, key))


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_no_change_of_a_definition_makes_its_check_fail(data: st.DataObject) -> None:
    document: Any = copy.deepcopy(WHOLE)
    assert validate_definition(document) == ()
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from([one for one in places(document) if one] or [("StartAt",)]))
        holder = document
        for step in way:
            holder = holder[step]
        if last not in holder or data.draw(st.booleans()):
            holder[last] = copy.deepcopy(data.draw(VALUES))
        else:
            del holder[last]
    problems = validate_definition(document, strict=data.draw(st.booleans()))
    assert all(str(one).startswith("$") for one in problems)
    read = words.parse_definition(document)
    if isinstance(read, words.Flow):
        assert mermaid(read).startswith("flowchart TD")
