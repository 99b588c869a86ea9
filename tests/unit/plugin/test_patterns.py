"""Patterns of users' schemas are matched in linear time, and what cannot be is refused with the schema."""

from typing import Any

import pytest

from taskaction.plugin.json_schema import SchemaChecker, compile_schema


def checker(**schema: Any) -> SchemaChecker:
    made = compile_schema(schema, "spec.inputSchema")
    assert made is not None
    return made


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)*$", "(.*)*x"])
def test_a_pattern_that_backtracks_answers_at_once(pattern: str) -> None:
    """With Python's own engine each of these takes longer than the universe has."""
    assert checker(pattern=pattern).problem("a" * 5000 + "!") is not None
    assert checker(patternProperties={pattern: False}, additionalProperties=True).problem({"b" * 5000 + "!": 1}) is None


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"pattern": "(?=x)y"}, "look-around"),
        ({"properties": {"a": {"pattern": r"(a)\1"}}}, "backreferences"),
        ({"anyOf": [{"pattern": "(?<=x)y"}]}, "look-around"),
        ({"patternProperties": {"(?<!x)y": {}}}, "look-around"),
        ({"patternProperties": {"^x-": {}}, "unevaluatedProperties": False}, "use additionalProperties"),
    ],
    ids=["look-ahead", "back-reference", "in a list", "a property's", "unevaluated properties"],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_the_schema(schema: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"spec.inputSchema.*{said}"):
        compile_schema(schema, "spec.inputSchema")


@pytest.mark.parametrize("schema", [{"const": {"pattern": "["}}, {"properties": {"pattern": {"type": "string"}}}])
def test_data_and_properties_of_that_name_are_no_patterns(schema: dict[str, Any]) -> None:
    assert checker(**schema) is not None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"x-a": 1, "name": "n"}, None),
        ({"x-a": "text"}, "x-a: is not of type 'integer'"),
        ({"other": 1}, "unknown property 'other'; known properties: ^x-, name"),
    ],
)
def test_known_patterned_and_other_properties_are_told_apart(value: dict[str, Any], problem: str | None) -> None:
    schema = {"properties": {"name": {}}, "patternProperties": {"^x-": {"type": "integer"}}}
    assert checker(**schema, additionalProperties=False).problem(value) == problem


def test_additional_properties_may_have_a_schema_of_their_own() -> None:
    rules = checker(properties={"a": {}}, additionalProperties={"type": "string", "pattern": "^ok"})
    assert rules.problem({"a": 1, "b": "ok!"}) is None
    assert rules.problem({"b": "no"}) == "b: does not match '^ok'"
