"""Answers of conditions: what an object can hold is taken, and what it holds is told."""

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.core.literals_pb2 import Literal

from taskaction.integrations.flyte.service.literals import from_literal, to_literal


def literal(**said: object) -> Literal:
    found = Literal()
    for name, value in said.items():
        setattr(found.scalar.primitive, name, value)
    return found


@pytest.mark.parametrize(
    "said",
    [
        {"boolean": False},
        {"integer": 2**63 - 1},
        {"integer": -(2**63)},
        {"float_value": 0.5},
        {"string_value": ""},
        {"string_value": "ü\0\n"},
    ],
)
def test_an_answer_is_told_as_it_was_given(said):
    kind, value = from_literal(literal(**said))
    assert to_literal(kind, value) == literal(**said)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "use a boolean"),
        ({"float_value": float("nan")}, "finite"),
        ({"float_value": float("-inf")}, "finite"),
        ({"string_value": "x" * 32 * 1024}, "exceed the limit of 31744"),
        ({"string_value": "\0" * 8 * 1024}, "exceed the limit of 31744"),
    ],
)
def test_an_answer_that_no_object_can_hold_is_refused(said, why):
    with pytest.raises(ConnectError, match=why) as refused:
        from_literal(literal(**said))
    assert refused.value.code == Code.INVALID_ARGUMENT


@pytest.mark.parametrize(("kind", "value"), [("integer", 2**63), ("integer", 0.5), ("boolean", 1), ("string", None)])
def test_a_value_of_another_type_is_not_told(kind, value):
    assert to_literal(kind, value) is None
