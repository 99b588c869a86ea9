"""What of a run's data may be seen: takes private parts out of documents, and puts them back; changes no document.

Reference section 2.12: properties whose names start with ``_private`` can be used, and are shown to nobody.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from taskaction.flows.parameters import Place

PREFIX = "_private"


def public(document: Any) -> Any:
    """Give a document without its private properties, at any depth."""
    if isinstance(document, Mapping):
        return {name: public(value) for name, value in document.items() if not str(name).startswith(PREFIX)}
    if isinstance(document, list | tuple):
        return [public(one) for one in document]
    return document


def private_places(document: Any, place: Place = ()) -> list[Place]:
    """Give where the private properties of a document are."""
    if isinstance(document, Mapping):
        found: list[Place] = []
        for name, value in document.items():
            here = (*place, name)
            found += [here] if str(name).startswith(PREFIX) else private_places(value, here)
        return found
    if isinstance(document, list | tuple):
        return [found for index, one in enumerate(document) for found in private_places(one, (*place, index))]
    return []


def taken(document: Any, places: Sequence[Place]) -> tuple[Any, list[tuple[Place, Any]]]:
    """Split a document: give it without what is at some places, and what was there."""
    kept: list[tuple[Place, Any]] = []
    for place in sorted(set(places), key=len):
        if not any(place[: len(outer)] == outer for outer, _ in kept):
            document, value = _without(document, place)
            kept.append((place, value))
    return document, kept


def restored(document: Any, kept: Sequence[tuple[Place, Any]]) -> Any:
    """Give the document that ``taken`` has split."""
    for place, value in kept:
        document = _with(document, place, value)
    return document


def _without(document: Any, place: Place) -> tuple[Any, Any]:
    first, *rest = place
    if rest:
        inner, value = _without(document[first], tuple(rest))
        return _with(document, (first,), inner), value
    if isinstance(document, Mapping):
        return {name: value for name, value in document.items() if name != first}, document[first]
    return _with(document, (first,), None), document[first]


def _with(document: Any, place: Place, value: Any) -> Any:
    first, *rest = place
    if rest:
        value = _with(document[first], tuple(rest), value)
    if isinstance(document, Mapping):
        return {**document, first: value}
    return [value if index == first else one for index, one in enumerate(document)]
