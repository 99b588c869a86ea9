"""JSON that nobody can read is cut where it is too deep, and all other JSON stays as it is, to the byte."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.cluster.nesting import CUT_LEVELS, cut_deep_nesting, parse_cut

READABLE = 1000  # orjson's own limit is a little more
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_can_be_read_stays_as_it_is(value: object) -> None:
    data = orjson.dumps(value)
    assert cut_deep_nesting(data) is data


@pytest.mark.parametrize("levels", [CUT_LEVELS + 1, READABLE])
def test_a_deep_value_that_can_be_read_stays_too(levels: int) -> None:
    data = b"[" * levels + b"]" * levels
    assert cut_deep_nesting(data) is data


@pytest.mark.parametrize("levels", [1500, 9000])
@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"[":', b"}]"), (b'[[[{"":[[', b"]]}]]]")]
)
def test_a_value_that_is_too_deep_is_cut_and_its_neighbours_are_not(
    levels: int, opening: bytes, closing: bytes
) -> None:
    deep = opening * levels + b"1" + closing * levels
    text = json.dumps('a "quoted" [ { text \\').encode()
    data = b'{"before":' + text + b',"deep":' + deep + b',"after":[[1],{"x":' + text + b"}]}"
    read = orjson.loads(cut_deep_nesting(data))
    assert read["before"] == 'a "quoted" [ { text \\'
    assert read["after"] == [[1], {"x": 'a "quoted" [ { text \\'}]
    assert CUT_LEVELS - 10 < depth(read["deep"]) <= CUT_LEVELS
    assert parse_cut(data) == read


def depth(value: object, at: int = 0) -> int:
    levels = 0
    while isinstance(value, list | dict):
        value = list(value.values() if isinstance(value, dict) else value)[at]
        levels += 1
    return levels


WIDE = {
    "lists": [[] for _ in range(50_000)],
    "objects": [{"a": {"b": [1]}} for _ in range(20_000)],
    "texts with signs": ["]]]]\\", '}"]', "[[[["] * 5_000,
}


@pytest.mark.parametrize("value", WIDE.values(), ids=WIDE)
def test_a_wide_value_stays_as_it_is(value: object) -> None:
    data = orjson.dumps(value)
    assert cut_deep_nesting(data) is data


@pytest.mark.parametrize("text", [b"]" * 20, b"\\\\", b'\\"]', b'\\\\\\"]]'])
def test_signs_in_texts_do_not_hide_a_deep_value(text: bytes) -> None:
    levels = 3_000
    data = (b'["' + text + b'",') * levels + b"1" + b"]" * levels
    assert depth(orjson.loads(cut_deep_nesting(data)), -1) <= CUT_LEVELS
