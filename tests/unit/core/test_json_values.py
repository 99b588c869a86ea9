"""The one rule for JSON values: unchanged, or refused with place and reason."""

import dataclasses
import json
import math
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.json_values import CHANGED, json_values
from taskaction.core.json_values import (
    JsonSyntaxError,
    JsonValueError,
    is_same,
    parse_json,
    parse_text,
    restore_doubles,
    value_problem,
)

# -- what passes -------------------------------------------------------------------------------------------------------


@given(json_values)
def test_a_json_text_is_read_unchanged_whoever_has_written_it(value: Any) -> None:
    for text in (orjson.dumps(value), json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1).encode()):
        assert is_same(parse_json(text), value)
    assert value_problem(value, "it") is None


@given(json_values)
def test_where_plain_text_is_accepted_too_json_is_read_unchanged(value: Any) -> None:
    assert is_same(parse_text(json.dumps(value)), value)
    assert is_same(parse_text(orjson.dumps(value).decode()), value)


@given(st.text())
def test_what_is_no_json_stays_the_text_that_it_is(text: str) -> None:
    try:
        found = parse_text(text)
    except JsonValueError:
        json.loads(text)  # it is JSON
        return
    assert found == text or is_same(found, json.loads(text))


SCALARS = {
    "42": 42, " 42\n": 42, "-7": -7, "1.5": 1.5, "1.0": 1.0, "1e-07": 1e-07, "1e+22": 1e22, "true": True,
    "null": None, '"42"': "42", "9223372036854775807": 2**63 - 1, "-9223372036854775808": -(2**63),
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS.items(), ids=SCALARS)
def test_r10_a_number_in_its_shortest_form_is_a_number(text: str, value: Any) -> None:
    assert (parse_text(text), type(parse_text(text))) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "4612e87", "1e3", "1E3", "1e22", "007", "1.50", "-0", "+1", "1.", ".5", "0x1F", "1_000", "2026-11-30", "1e400",
        "", "NaN", "-Infinity", "9223372036854775808", "-9223372036854775809", "20261130123456789012", "9" * 10_000,
        "{", "12 apples",
    ],
)  # fmt: skip
def test_r10_any_other_text_stays_a_text(text: str) -> None:
    assert parse_text(text) == text


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "reason"), CHANGED.values(), ids=CHANGED)
def test_a_value_that_a_reader_would_change_is_refused_with_its_place(text: str, reason: str) -> None:
    for parse in (parse_json, parse_text):
        with pytest.raises(JsonValueError, match=reason) as refused:
            parse(f'{{"a": [1, {text}]}}')
        assert refused.value.under("output").startswith("output.a.1")
        assert text.strip("{}\"'") not in str(refused.value) or text == "NaN"


@pytest.mark.parametrize(("text", "_"), CHANGED.values(), ids=CHANGED)
def test_what_does_not_end_is_no_json_whatever_is_in_it(text: str, _: str) -> None:
    with pytest.raises(JsonSyntaxError):
        parse_json(f'{{"a": [1, {text}]')
    assert parse_text(f"[{text}") == f"[{text}"


@pytest.mark.parametrize(
    "text", ["", "{", "[1,]", "01", "'a'", '"\t"', "[" * 100_000, b"\xff", b"\xef\xbb\xbf1", "nul"]
)
def test_a_text_that_is_no_json_is_refused_as_such(text: str | bytes) -> None:
    with pytest.raises(JsonSyntaxError):
        parse_json(text)


@dataclasses.dataclass
class Result:
    loss: float


VALUES = {
    "a number that is none": ({"a": [math.nan]}, "output.a.0: is NaN"),
    "an infinity": (-math.inf, "output: is NaN or Infinity"),
    "a large integer": ([2**63], "output.0: is an integer beyond 64 bits"),
    "a small integer": (-(2**63) - 1, "output: is an integer beyond 64 bits"),
    "a huge integer": (10**400, "output: is an integer beyond 64 bits"),
    "half of a pair": ({"a": "x\ud800"}, "output.a: has half of a surrogate pair"),
    "half of a pair in a name": ({"\udc00": 1}, "output.\\udc00: has half of a surrogate pair"),
    "a name that is a number": ({"a": {1: 2}}, "output.a: has a name that is not a string"),
    "in a tuple": ((1, (2**63,)), "output.1.0: is an integer beyond 64 bits"),
    "in a dataclass": ({"a": Result(math.nan)}, "output.a.loss: is NaN"),
}


@pytest.mark.parametrize(("value", "message"), VALUES.values(), ids=VALUES)
def test_a_value_of_a_program_that_json_cannot_hold_is_refused(value: Any, message: str) -> None:
    assert (value_problem(value, "output") or "").startswith(message)


def test_a_long_place_is_shortened() -> None:
    assert len(value_problem({"n" * 5000: math.nan}, "output") or "") < 250


@pytest.mark.parametrize("double", [2.0**63, 1e19, 1.5e19])
def test_a_double_as_kubernetes_writes_it_passes(double: float) -> None:
    written = int(f"{double!r}".replace(".", "").partition("e")[0].ljust(19 if double < 1e19 else 20, "0"))
    assert is_same(written, double)
    assert value_problem(written, "it") is None


# -- equality ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (0, False), (None, False), ("1", 1), (2**53, 2**53 + 1), ([1], [1, 1]), ({"a": 1}, {"b": 1}), ([], {})],
)
def test_different_values_are_not_the_same(one: Any, other: Any) -> None:
    assert not is_same(one, other)
    assert not is_same(other, one)


def test_a_whole_double_is_the_integer() -> None:
    assert is_same({"a": [1.0, -0.0, 1e19]}, {"a": [1, 0, 10**19]})


@pytest.mark.parametrize("double", [2.0**63, 1e19, -1e19, 1.8e19, 2.0**64, 1e20, 123456789e12, -9e20])
def test_a_double_that_kubernetes_writes_as_digits_is_a_double_again(double: float) -> None:
    written = int(Decimal(repr(double)))  # the shortest digits, filled up with zeros
    found = restore_doubles({"a": [written, {"b": written}], "c": 2**63 - 1, "d": True})
    assert found == {"a": [double, {"b": double}], "c": 2**63 - 1, "d": True}
    assert type(found["a"][0]) is float
    assert is_same(orjson.loads(orjson.dumps(found)), found)


def test_a_value_without_such_doubles_is_the_same_object() -> None:
    value = {"a": [1, 2.5, "1e19"], "b": None}
    assert restore_doubles(value) is value


# -- large values ------------------------------------------------------------------------------------------------------


LARGE: dict[str, Any] = {
    "integers": list(range(50_000)),
    "values of all types": [1, "a", 1.5, True, None, [], {"b": 2}, "ä"] * 5_000,
    "names": {f"n{number}": -number for number in range(20_000)},
}


@pytest.mark.parametrize("value", LARGE.values(), ids=LARGE)
def test_a_large_text_is_read_unchanged(value: Any) -> None:
    assert is_same(parse_json(orjson.dumps(value)), value)
    assert value_problem(value, "it") is None


UNUSUAL = {
    "a large integer": 2**63,
    "infinity": math.inf,
    "half of a pair": "\ud800",
    "an object with one": {"a": ["\udfff"]},
}


@pytest.mark.parametrize("value", UNUSUAL.values(), ids=UNUSUAL)
@pytest.mark.parametrize("others", [1, 60_000], ids=["few", "many"])
def test_an_unusual_value_is_found_among_any_number_of_others(value: Any, others: int) -> None:
    document = [*[1] * others, value, "a", 1.5, None]
    if value == 2**63:  # as Kubernetes writes a double
        assert restore_doubles(document)[others] == float(value)
    else:
        assert value_problem(document, "it") is not None
    with pytest.raises(JsonValueError):
        parse_json(json.dumps(document).replace("Infinity", "1e999"))


def test_the_place_of_a_value_in_a_large_text_is_not_searched_for() -> None:
    with pytest.raises(JsonValueError, match="the value: has a value that a reader would change"):
        parse_json(json.dumps([*range(50_000), 2**70]))
