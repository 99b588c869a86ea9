"""What is wrong with parameters is said by the field's name; schemas are written by users, so they are hostile."""

import re
import time
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from taskaction.plugin.json_schema import (
    SCHEMA_LIMIT_BYTES,
    SchemaChecker,
    compile_schema,
    is_cheap_schema,
    model_problem,
)
from taskaction.plugin.parameters import Parameters
from taskaction.testing.targets import HttpServer

PATH = "spec.inputSchema"


def compiled(schema: dict[str, Any]) -> SchemaChecker:
    checker = compile_schema(schema, PATH)
    assert checker
    return checker


def nested(value: Any, depth: int, key: str | None = None) -> Any:
    """Give ``value`` within so many lists, or objects of one key."""
    for _ in range(depth):
        value = [value] if key is None else {key: value}
    return value


# -- values ------------------------------------------------------------------------------------------------------------

ORDER = {
    "type": "object",
    "required": ["items"],
    "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/item"}}, "note": {"type": "string"}},
    "additionalProperties": False,
    "$defs": {"item": {"type": "object", "properties": {"count": {"type": "integer", "minimum": 1}}}},
}
PROBLEMS = {
    "nothing": ({"items": [{"count": 1}]}, None),
    "a missing field": ({}, "'items' is a required property"),
    "a field of another type": ({"items": {}}, "items: is not of type 'array'"),
    "deep within": ({"items": [{"count": 1}, {"count": 0}]}, "items.1.count: is less than the minimum of 1"),
    "an unknown field": ({"items": [], "notes": ""}, "unknown property 'notes'; known properties: items, note"),
    "no object": ([], "is not of type 'object'"),
    "a value of another kind": ({"items": [{"count": "s3cret"}]}, "items.0.count: is not of type 'integer'"),
}


@pytest.mark.parametrize(("value", "problem"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_problem_names_the_field(value: Any, problem: str | None) -> None:
    assert compiled(ORDER).problem(value) == problem


QUOTING = [
    ({"enum": ["a"]}, "s3cret"),
    ({"const": "a"}, "s3cret"),
    ({"pattern": "^a"}, "s3cret"),
    ({"maxLength": 2}, "s3cret"),
    ({"not": {}}, "s3cret"),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "s3cret"),
    ({"oneOf": [{}, {}]}, "s3cret"),
    ({"prefixItems": [{}], "items": False}, [1, "s3cret"]),
    ({"unevaluatedItems": False}, ["s3cret"]),
    ({"contains": {"type": "null"}}, ["s3cret"]),
    ({"uniqueItems": True}, ["s3cret", "s3cret"]),
    ({"properties": {"a": False}}, {"a": "s3cret"}),
    ({"type": "integer"}, {"a": "s3cret"}),
    ({"propertyNames": {"maxLength": 2}}, {"s3cret": 1}),
]


@pytest.mark.parametrize(("schema", "value"), QUOTING, ids=lambda case: next(iter(case), "") if case else "")
def test_no_problem_quotes_the_value(schema: dict[str, Any], value: Any) -> None:
    problem = compiled(schema).problem(value)
    assert problem
    assert "s3cret" not in problem


def test_no_schema_is_no_check() -> None:
    assert compile_schema(None, PATH) is None
    assert compiled({}).problem({"any": ["thing"]}) is None


# -- schemas -----------------------------------------------------------------------------------------------------------

WRONG = {
    "an unknown type": ({"type": "text"}, "spec.inputSchema.type: 'text' is not valid"),
    "a type that is a number": ({"type": 5}, "spec.inputSchema.type: 5 is not valid"),
    "deep within": ({"properties": {"a": {"type": "text"}}}, "spec.inputSchema.properties.a.type: 'text' is not"),
    "a pattern that is none": ({"properties": {"a": {"pattern": "("}}}, "spec.inputSchema.properties.a.pattern: '('"),
    "a property's pattern that is none": ({"patternProperties": {"(": {}}}, "spec.inputSchema.patternProperties"),
    "a bound that is a text": ({"minimum": "1"}, "spec.inputSchema.minimum: '1' is not of type 'number'"),
    "required as in draft 3": ({"properties": {"a": {"required": True}}}, "spec.inputSchema.properties.a.required: "),
    "nested without end": (nested({}, 300, "not"), "spec.inputSchema: is nested too deeply"),
    "nested further than Python goes": (nested({}, 5000, "not"), "spec.inputSchema: is nested too deeply"),
    "too large": ({"description": "x" * SCHEMA_LIMIT_BYTES}, "spec.inputSchema: has 65554 bytes; at most 65536"),
}


@pytest.mark.parametrize(("schema", "told"), WRONG.values(), ids=WRONG)
def test_what_is_no_schema_is_refused_by_the_fields_name(schema: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(told)}"):
        compile_schema(schema, PATH)


REMOTE = ["https://json-schema.example/schema.json", "file:///etc/passwd", "other.json", "urn:example:x", "//x/y"]


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
@pytest.mark.parametrize("reference", REMOTE)
def test_a_reference_out_of_the_schema_is_refused(keyword: str, reference: str) -> None:
    with pytest.raises(ValueError, match=f"^{PATH}: reference '{re.escape(reference)}' leaves the schema"):
        compile_schema({"properties": {"a": {"not": {keyword: reference}}}}, PATH)


@pytest.mark.parametrize("reference", ["#/$defs/no", "#no", "#/properties/a/b"])
def test_a_reference_to_nothing_is_refused(reference: str) -> None:
    with pytest.raises(ValueError, match=f"reference '{re.escape(reference)}' does not exist in the schema"):
        compile_schema({"properties": {"a": {"$ref": reference}}}, PATH)


async def test_no_reference_is_ever_fetched(server: HttpServer) -> None:
    own = {"$id": f"{server.url}/base.json", "$defs": {"a": {"$id": "a.json", "type": "string"}}}
    assert compiled(own | {"properties": {"a": {"$ref": "#/$defs/a"}}}).problem({"a": 1}) is not None
    checker = SchemaChecker({"$ref": f"{server.url}/other.json"})  # also where nobody has looked at the schema before
    assert "cannot be applied" in str(checker.problem(1))
    assert not server.seen


CIRCLES = {
    "to itself": {"$ref": "#"},
    "by way of another": {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    "in a choice": {"anyOf": [{"$ref": "#"}, {"type": "string"}]},
}


@pytest.mark.parametrize("schema", CIRCLES.values(), ids=CIRCLES)
def test_a_schema_that_goes_in_circles_ends(schema: dict[str, Any]) -> None:
    before = time.process_time()
    assert "cannot be applied" in str(compiled(schema).problem({"a": 1}))
    assert time.process_time() - before < 2.0


CHEAP = {
    "an ordinary one": (ORDER, True),
    "many values": ({"enum": list(range(400))}, True),
    "many properties": ({"properties": {f"{n:x}": {} for n in range(100)}}, False),
    "properties without a schema": ({"properties": {f"{n:x}": True for n in range(100)}}, False),
    "levels": (nested({}, 50, "not"), False),
    "lists": ({"dependencies": {f"{n:x}": [] for n in range(100)}}, False),
    "much text": ({"title": "x" * 3000}, False),
    "a pattern that is large once compiled": ({"pattern": "(?:ab?){9000}"}, False),
}


@pytest.mark.parametrize(("schema", "cheap"), CHEAP.values(), ids=CHEAP)
def test_the_event_loop_compiles_only_small_schemas(schema: dict[str, Any], cheap: bool) -> None:
    assert is_cheap_schema(schema, PATH) is cheap


def test_a_recursive_schema_follows_the_value_down() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#"}}, "required": ["name"]}
    checker = compiled(tree)
    assert checker.problem({"name": "a", "child": {"name": "b"}}) is None
    assert checker.problem({"name": "a", "child": {"child": {}}}) is not None


def test_a_value_without_bottom_is_a_problem_and_no_crash() -> None:
    checker = compiled({"items": {"$ref": "#"}})
    assert checker.problem(nested([], 5)) is None
    assert "cannot be applied" in str(checker.problem(nested([], 900)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from(["type", "properties", "items", "$ref", "anyOf", "enum", "pattern", "required", "minimum"])


@given(st.dictionaries(WORDS, JSON, max_size=3), JSON)
@settings(max_examples=100)
def test_any_schema_is_refused_or_applied(schema: dict[str, Any], value: Any) -> None:
    try:
        checker = compile_schema(schema, PATH)
    except ValueError as refusal:
        told = str(refusal)
    else:
        told = f"{PATH} is applied: {checker and checker.problem(value)}"
    assert told.startswith(PATH)


# -- models ------------------------------------------------------------------------------------------------------------


class Disk(Parameters):
    size_gib: Annotated[int, Field(ge=1)]
    kind: str = "ssd"


class Machine(Parameters):
    name: str
    disks: tuple[Disk, ...] = ()


MODEL_PROBLEMS = {
    "nothing": ({"name": "a", "disks": [{"sizeGib": 1}]}, None),
    "a missing field": ({}, "parameters.name: Field required"),
    "a field of another type": ({"name": 5}, "parameters.name: Input should be a valid string"),
    "deep within": (
        {"name": "a", "disks": [{"sizeGib": 1}, {"sizeGib": 0}]},
        "parameters.disks.1.sizeGib: Input should be greater than or equal to 1",
    ),
    "a misspelt name": ({"name": "a", "disk": []}, "parameters.disk: Extra inputs are not permitted"),
    "no object": ([], "parameters: Input should be a valid dictionary or instance of Machine"),
    "two": (
        {"disks": [{}]},
        "parameters.name: Field required; parameters.disks.0.sizeGib: Field required",
    ),
}


@pytest.mark.parametrize(("value", "problem"), MODEL_PROBLEMS.values(), ids=MODEL_PROBLEMS)
def test_a_models_problem_names_the_field_as_users_write_it(value: Any, problem: str | None) -> None:
    assert model_problem(Machine, value, "parameters") == problem


def test_of_many_problems_the_first_are_named_and_the_rest_counted() -> None:
    problem = model_problem(Machine, {"name": "a", "disks": [{}] * 10}, "parameters")
    assert problem is not None
    assert problem.count("Field required") == 3
    assert problem.endswith(" (and 7 more)")


def test_a_problem_does_not_show_the_value() -> None:
    problem = model_problem(Machine, {"name": ["t0p-secret"]}, "parameters")
    assert problem is not None
    assert "t0p-secret" not in problem
