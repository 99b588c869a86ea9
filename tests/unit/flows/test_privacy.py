"""Private parts of documents: what is split off comes back, in time that grows with the document and not its square."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.flows.privacy import hide, private_places, restore_private, split_private, without_private

NAMES = st.sampled_from(["a", "b", "_private", "_private_a"])
DOCUMENTS = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)
MANY = 20_000
LARGE: dict[str, Any] = {
    "names of one object": {f"_private_{number}": number for number in range(MANY)},
    "objects of a list": {"items": [{"_private": number, "a": number} for number in range(MANY)]},
    "nothing private": {"items": [[number] for number in range(MANY)]},
}
SECONDS = 2.0
"""A hundred times what these take; with the square of their number, it is minutes."""


@given(document=DOCUMENTS)
def test_a_document_is_what_it_was_after_its_private_parts_came_back(document: Any) -> None:
    shown, kept = split_private(document, private_places(document))
    assert restore_private(shown, kept) == document
    assert without_private(document) == shown
    assert private_places(shown) == []


@given(document=DOCUMENTS)
def test_the_order_of_private_parts_depends_on_the_document_only(document: Any) -> None:
    places = private_places(document)
    assert split_private(document, places) == split_private(document, [*places, *places])


def test_a_private_place_within_another_goes_with_it() -> None:
    document = {"a": {"b": [1, 2], "c": 3}}
    for places in ([("a",), ("a", "b", 1)], [("a", "b", 1), ("a",)]):
        assert split_private(document, places) == ({}, [(("a",), {"b": [1, 2], "c": 3})])
    assert split_private(document, [("a", "b", 1)]) == ({"a": {"b": [1, None], "c": 3}}, [(("a", "b", 1), 2)])


def test_a_document_without_private_parts_is_not_copied() -> None:
    document = {"a": [{"b": 1}]}
    assert without_private(document) is document
    assert hide(document, ()) is document


WORK: dict[str, Callable[[Any], Any]] = {
    "split": lambda document: split_private(document, private_places(document)),
    "restore": lambda document: restore_private(*split_private(document, private_places(document))),
    "hide": lambda document: hide(document, tuple(private_places(document))),
}


@pytest.mark.parametrize("document", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_the_time_does_not_grow_with_the_square_of_the_private_parts(work: Callable[[Any], Any], document: Any) -> None:
    begun = time.thread_time()
    work(document)
    assert time.thread_time() - begun < SECONDS
