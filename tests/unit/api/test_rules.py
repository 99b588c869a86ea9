"""How CEL rules are written; what they refuse is shown on a real API server."""

import re

import pytest

from taskaction.api import rules
from taskaction.api.enums import STARTED_PHASES, TERMINAL_PHASES
from taskaction.api.retries_and_timeouts import initial_within_max_rule
from taskaction.api.task_action import TaskActionSpec, TaskActionStatus
from taskaction.api.task_action_rules import MUTABLE_SPEC_FIELDS, object_rules, spec_rules, status_rules

RULES = "x-kubernetes-validations"


def test_a_rule_carries_its_message_and_its_field() -> None:
    assert rules.cel("self > 0", "write more", fieldPath=".a", reason="FieldValueInvalid") == {
        "rule": "self > 0",
        "message": "write more",
        "fieldPath": ".a",
        "reason": "FieldValueInvalid",
    }
    assert rules.rules(rules.cel("a", "b"), rules.cel("c", "d")) == {
        RULES: [{"rule": "a", "message": "b"}, {"rule": "c", "message": "d"}]
    }


def test_unchanged_sees_that_a_field_comes_or_goes() -> None:
    assert rules.unchanged_expression("a") == "has(self.a) == has(oldSelf.a) && (!has(self.a) || self.a == oldSelf.a)"


def test_immutable_names_the_field_and_the_mend() -> None:
    assert rules.immutable_rule("a", "make a new one") == {
        "rule": rules.unchanged_expression("a"),
        "message": "a is immutable: make a new one",
        "fieldPath": ".a",
    }


def test_a_list_of_words_does_not_depend_on_chance() -> None:
    assert rules.cel_list({"b", "a"}) == rules.cel_list(["a", "b"]) == "['a', 'b']"
    assert rules.cel_list(STARTED_PHASES) == "['Initializing', 'Paused', 'Running']"
    assert rules.cel_list(TERMINAL_PHASES) == "['Aborted', 'Failed', 'Succeeded', 'TimedOut']"


def test_a_stored_default_is_marked() -> None:
    assert rules.stored_default({"phase": "Queued"}) == {"x-stored-default": {"phase": "Queued"}}


def test_a_rule_of_the_creation_is_not_evaluated_again() -> None:
    assert rules.at_creation("has(self.a)", "set a") == {
        "rule": "oldSelf.hasValue() || (has(self.a))",
        "message": "set a",
        "optionalOldSelf": True,
    }


def immutable(field: dict) -> bool:
    return any(
        rule["rule"] == "self == oldSelf" and " is immutable: " in rule["message"] for rule in field.get(RULES, ())
    )


def test_every_field_of_a_spec_is_fixed_unless_it_is_said_to_change() -> None:
    names = {field.alias for field in TaskActionSpec.model_fields.values()}
    schema = {"properties": {name: {} for name in names}}
    spec_rules(schema)
    unchanged = {name for name, field in schema["properties"].items() if immutable(field)}
    (kept,) = [rule["rule"] for rule in schema[RULES] if rule["rule"].startswith("self == oldSelf || ")]
    present = set(re.findall(r"has\(self\.(\w+)\) == has\(oldSelf\.\1\)", kept))
    assert unchanged == present == names - MUTABLE_SPEC_FIELDS
    assert names > MUTABLE_SPEC_FIELDS


@pytest.mark.parametrize(
    ("add", "model"), [(spec_rules, TaskActionSpec), (status_rules, TaskActionStatus)], ids=["spec", "status"]
)
def test_rules_speak_of_fields_that_exist(add, model) -> None:
    names = {field.alias for field in model.model_fields.values()}
    schema = {"properties": {name: {} for name in names}}
    add(schema)
    for rule in schema[RULES]:
        assert set(re.findall(r"\b(?:self|oldSelf)\.(\w+)", rule["rule"])) <= names | {"hasValue"}, rule
        assert rule.get("fieldPath", "")[1:] in names | {""}, rule


def test_rules_of_the_whole_object_point_at_parts_of_it() -> None:
    schema: dict = {}
    object_rules(schema)
    for rule in schema[RULES]:
        assert rule["fieldPath"].startswith((".metadata", ".spec.")), rule


def test_a_series_of_waits_says_both_ways_out() -> None:
    (rule,) = initial_within_max_rule()[RULES]
    assert rule["message"] == "max must be at least as long as initial: raise max or lower initial"
