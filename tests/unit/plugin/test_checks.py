"""What users say they wait for: values compared as JSON does, and conditions as Kubernetes writes them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskaction.plugin.checks import Expectation, ExpectedCondition, at_path

BODY: dict[str, Any] = {
    "metadata": {"name": "web"},
    "spec": {"on": True, "zero": 0, "off": False, "one": 1, "text": "1", "none": None},
    "status": {
        "parts": [{"state": "done"}, {"state": "open"}],
        "flags": [1, 0],
        "odd": {"on": True},
        "conditions": [
            "not a condition",
            {"type": "Ready", "status": "False", "reason": "NoRoom", "message": "the node is full"},
            {"type": "Paused", "status": "Unknown"},
        ],
    },
}
PLACES = {
    "metadata.name": "web",
    "status.parts.1.state": "open",
    "status.parts.2.state": None,
    "status.parts.-1.state": None,
    "status.parts.x": None,
    "metadata.name.x": None,
    "nobody": None,
    "": None,
    "status..parts": None,
}
EQUAL = [
    ("spec.one", 1),
    ("spec.one", 1.0),
    ("spec.on", True),
    ("spec.off", False),
    ("spec.zero", 0),
    ("spec.text", "1"),
    ("spec.none", None),
    ("spec.missing", None),
    ("spec.one", [3, 2, 1]),
    ("spec.on", ["yes", True]),
    ("status.flags", [[1, 0]]),
    ("status.parts.0", {"state": "done"}),
]
DIFFERENT = [
    ("spec.one", True),
    ("spec.on", 1),
    ("spec.zero", False),
    ("spec.off", 0),
    ("spec.one", "1"),
    ("spec.text", 1),
    ("spec.off", None),
    ("spec.one", []),
    ("spec.one", [True, "1"]),
    ("status.flags", [1, 0]),
    ("status.flags", [[True, False]]),
    ("status.flags", [[1]]),
    ("status.parts.0", {"state": "done", "more": None}),
    ("status.parts.0", {"stage": "done"}),
    ("status.odd", {"on": 1}),
]


@pytest.mark.parametrize(("path", "value"), PLACES.items(), ids=PLACES)
def test_a_path_leads_into_objects_and_lists_and_never_fails(path: str, value: Any) -> None:
    assert at_path(BODY, path) == value


@pytest.mark.parametrize(("path", "wanted"), EQUAL)
def test_a_value_holds_where_json_calls_it_the_same(path: str, wanted: Any) -> None:
    assert Expectation(path=path, equals=wanted).holds(BODY)


@pytest.mark.parametrize(("path", "wanted"), DIFFERENT)
def test_a_value_of_another_json_type_is_another_value(path: str, wanted: Any) -> None:
    assert not Expectation(path=path, equals=wanted).holds(BODY)


def test_a_finding_says_what_is_there() -> None:
    assert Expectation(path="metadata.name", equals="x").describe(BODY) == "metadata.name is 'web'"


CONDITIONS = {
    "as wanted": ({"type": "Ready", "status": "False"}, True, "condition Ready is False (NoRoom: the node is full)"),
    "otherwise": ({"type": "Ready"}, False, "condition Ready is False (NoRoom: the node is full)"),
    "without a word": ({"type": "Paused"}, False, "condition Paused is Unknown"),
    "missing": ({"type": "Done"}, False, "condition Done is missing"),
    "missing is not False": ({"type": "Done", "status": "False"}, False, "condition Done is missing"),
}


@pytest.mark.parametrize(("wanted", "holds", "told"), CONDITIONS.values(), ids=CONDITIONS)
def test_a_condition_is_found_by_its_type(wanted: Any, holds: bool, told: str) -> None:
    check = ExpectedCondition.model_validate(wanted)
    assert check.holds(BODY) is holds
    assert check.describe(BODY) == told


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=100, deadline=None)
@given(json_values)
def test_any_value_is_itself(value: Any) -> None:
    assert Expectation(path="status.result", equals=[value]).holds({"status": {"result": value}})


@settings(max_examples=100, deadline=None)
@given(json_values, st.lists(st.sampled_from(["status", "conditions", "0", "x", ""]), max_size=4).map(".".join))
def test_no_body_is_too_odd_to_be_looked_at(body: Any, path: str) -> None:
    assert Expectation(path=path, equals=0).describe(body).startswith(f"{path} is ")
    assert ExpectedCondition(type="Ready").describe({"status": {"conditions": body}}).startswith("condition Ready is ")
