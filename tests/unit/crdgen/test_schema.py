"""From a model to a structural schema: what can be said is said in Kubernetes' words, and the rest is refused."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from taskaction.api.base import AnyJson, ApiModel, JsonObject
from taskaction.api.rules import cel, rules, stored_default
from taskaction.crdgen.schema import structural_schema


class Colour(StrEnum):
    """A closed set."""

    RED = "Red"
    BLUE = "Blue"


class Inner(ApiModel):
    """The inner part,
    told in two lines."""

    model_config = ConfigDict(json_schema_extra=rules(cel("has(self.some_text)", "inner rule")))

    some_text: Annotated[str, Field(max_length=5)] = "x"
    """A text."""


def converted(kind: Any, **field: Any) -> dict[str, Any]:
    """Give the schema of one field of a type."""
    model = create_model("Made", field=(kind, Field(**field)))
    return structural_schema(model)["properties"]["field"]


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (bool, {"type": "boolean"}),
        (Colour, {"description": "A closed set.", "type": "string", "enum": ["Red", "Blue"]}),
        (Literal["a"], {"type": "string", "enum": ["a"]}),
        (Annotated[float, Field(gt=0, lt=1)], {
            "type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 1, "exclusiveMaximum": True,
        }),
        (Annotated[int, Field(ge=1, le=9)], {"type": "integer", "minimum": 1, "maximum": 9}),
        (str | None, {"type": "string"}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (Annotated[list[str], Field(max_length=3)], {"type": "array", "maxItems": 3, "items": {"type": "string"}}),
        (set[str], {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (dict[str, Any], {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        (JsonObject, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        (AnyJson, {"x-kubernetes-preserve-unknown-fields": True}),
    ],
    ids=lambda case: "" if isinstance(case, dict) else str(case)[:40],
)  # fmt: skip
def test_a_type_is_said_in_the_words_of_kubernetes(kind: Any, schema: dict[str, Any]) -> None:
    assert converted(kind) == schema


@pytest.mark.parametrize(
    ("kind", "field", "message"),
    [
        (int | str, {}, "Made.field: a CRD schema does not support a union of 2 types"),
        (list[int | str], {}, r"Made.field\[\]: a CRD schema does not support a union of 2 types"),
        (dict[str, int | str], {}, r"Made.field\{\}: a CRD schema does not support a union of 2 types"),
        (tuple[int, str], {}, "Made.field: a CRD schema does not support prefixItems"),
        (
            bytes,
            {"json_schema_extra": {"contentEncoding": "base64"}},
            "Made.field: a CRD schema does not support contentEncoding",
        ),
        (str, {"json_schema_extra": {"readOnly": True}}, "Made.field: a CRD schema does not support readOnly"),
    ],
    ids=["a union", "a union in a list", "a union in a map", "a tuple", "an encoding", "a word unknown"],
)
def test_what_a_crd_cannot_say_is_refused_by_its_place(kind: Any, field: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        converted(kind, **field)


def test_a_map_with_named_fields_is_refused() -> None:
    class Mixed(BaseModel):
        model_config = ConfigDict(extra="allow")
        __pydantic_extra__: dict[str, int]
        named: int

    with pytest.raises(
        ValueError, match="Mixed: a CRD schema does not support additionalProperties next to properties"
    ):
        structural_schema(Mixed)


def test_only_a_marked_default_is_stored_with_every_object() -> None:
    assert converted(int, default=3) == {"type": "integer"}
    assert converted(int, default=3, json_schema_extra=stored_default(3)) == {"type": "integer", "default": 3}


def test_a_nested_model_is_put_where_it_is_used() -> None:
    class Outer(ApiModel):
        """The outer part."""

        inner: Inner
        """What the field says."""
        plain: Inner | None = None

    found = structural_schema(Outer)
    assert found["required"] == ["inner"]
    assert found["properties"]["inner"] == {
        "description": "What the field says.",
        "type": "object",
        "properties": {"someText": {"description": "A text.", "type": "string", "maxLength": 5}},
        "x-kubernetes-validations": [cel("has(self.some_text)", "inner rule")],
    }
    assert found["properties"]["plain"]["description"] == "The inner part, told in two lines."


def test_the_rules_of_field_and_model_are_both_kept() -> None:
    outer = cel("self != null", "outer rule")
    found = converted(Inner, json_schema_extra=rules(outer))
    assert [rule["message"] for rule in found["x-kubernetes-validations"]] == ["inner rule", "outer rule"]


def test_unknown_fields_are_left_to_the_api_server() -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")
        named: int

    assert structural_schema(Strict) == {
        "type": "object",
        "required": ["named"],
        "properties": {"named": {"type": "integer"}},
    }
