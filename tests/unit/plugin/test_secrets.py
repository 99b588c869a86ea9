"""A value from a Secret is a type that no code can show by accident."""

import copy
import json
import pickle
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError, field_validator

from taskaction.plugin.evaluation import Evaluator
from taskaction.plugin.json_schema import compile_schema, model_problem
from taskaction.plugin.secrets import REDACTED, Place, Secret, has_secret, reveal, secrets_in, wrap

VALUE = "s3cret-value"


@pytest.mark.parametrize("value", [VALUE, 7, 0.5, True])
def test_every_text_form_is_the_placeholder(value: Any) -> None:
    secret = Secret(value)
    assert {str(secret), repr(secret), f"{secret}", f"{secret:>3}", f"{secret!r}"} == {REDACTED}
    assert f"{[secret]} { ({'a': secret}) }" == f"[{REDACTED}] {{'a': {REDACTED}}}"
    assert secret.reveal() == value


@pytest.mark.parametrize(
    "leak",
    [
        lambda secret: "Bearer " + secret,
        orjson.dumps,
        json.dumps,
        pickle.dumps,
        vars,
    ],
)
def test_it_cannot_be_joined_or_serialized(leak: Any) -> None:
    with pytest.raises((TypeError, orjson.JSONEncodeError)) as error:
        leak(Secret(VALUE))
    assert VALUE not in str(error.value)


def test_it_equals_its_value_and_survives_a_copy() -> None:
    secret = Secret(VALUE)
    assert secret == VALUE
    assert copy.deepcopy({"a": secret})["a"] == Secret(VALUE)
    assert secret != "other"
    assert Secret(1) != Secret(True)


def test_a_value_is_wrapped_at_every_leaf_and_revealed_again() -> None:
    value: Any = {"user": "ada", "keys": ["first", {"n": 7, "on": True, "none": None}]}
    wrapped = wrap(value)
    assert sorted(".".join(map(str, place)) for place, _ in secrets_in(wrapped)) == [
        "keys.0",
        "keys.1.n",
        "keys.1.on",
        "user",
    ]
    assert reveal(wrapped) == value
    assert not has_secret(value)


def test_a_model_takes_one_only_where_it_says_so() -> None:
    class Model(BaseModel):
        open: str = ""
        hidden: Secret | None = None

    assert Model(hidden=Secret(VALUE)).hidden == VALUE
    assert VALUE not in repr(Model(hidden=Secret(VALUE)))
    with pytest.raises(ValidationError):
        Model.model_validate({"open": Secret(VALUE)})
    with pytest.raises(ValidationError):
        Model.model_validate({"hidden": VALUE})


@pytest.mark.parametrize("value", [7, 1234567.5, "abc", VALUE])
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "boolean"},
        {"enum": ["other"]},
        {"const": "other"},
        {"minimum": 10**9, "minLength": 99},
        {"not": {}},
        {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
    ],
)
def test_a_problem_with_a_schema_quotes_no_secret(schema: dict[str, Any], value: Any) -> None:
    for whole, carrying in (
        ({"properties": {"pin": schema}}, {"pin": Secret(value)}),
        ({"properties": {"list": {"items": schema}}}, {"list": [Secret(value)]}),
        ({"additionalProperties": False}, {"pin": Secret(value)}),
        ({"maxProperties": 0}, {"pin": Secret(value)}),
    ):
        checker = compile_schema(whole, "inputSchema")
        assert checker is not None
        problem = checker.problem(carrying)
        assert problem is not None
        assert str(value) not in problem


def test_a_problem_with_a_model_quotes_no_secret() -> None:
    class Quoting(BaseModel):
        pin: Any

        @field_validator("pin")
        @classmethod
        def _refuse(cls, value: Any) -> Any:
            raise ValueError(f"the pin is not {value!r}")

    assert "not 7" in str(model_problem(Quoting, {"pin": 7}, "parameters"))
    problem = model_problem(Quoting, {"pin": Secret(7)}, "parameters")
    assert problem == "parameters.pin: is not valid (the value comes from a Secret and is not shown)"


async def test_a_problem_that_a_worker_process_finds_quotes_no_secret() -> None:
    checker = compile_schema({"properties": {"pin": {"type": "boolean"}}}, "inputSchema")
    assert checker is not None
    value = {"large": ["x"] * 10_000, "pin": Secret(7351)}
    assert not checker.is_cheap_for(value)
    problem = await Evaluator(cpu_seconds=10.0).find_problem("team-a", checker, value, "spec.parameters")
    assert problem is not None
    assert problem.startswith("pin: does not match the keyword 'type'")
    assert "7351" not in problem


SECRET = Secret("from a Secret")
DOCUMENTS = st.recursive(
    st.none() | st.text(max_size=3) | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)


@given(document=DOCUMENTS)
def test_every_place_of_a_secret_is_found_and_no_other(document: Any) -> None:
    def places(part: Any, here: Place) -> Iterator[Place]:
        if part is SECRET:
            yield here
        pairs = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for name, one in pairs:
            yield from places(one, (*here, name))

    found = sorted(places(document, ()), key=repr)
    assert sorted((place for place, _ in secrets_in(document)), key=repr) == found
    assert has_secret(document) is bool(found)
