"""Private data of a run: removes private parts from documents and restores them, without changing its input.

Properties whose names start with ``_private`` can be used in a flow, but are never shown. What was made from them is as
private, wherever it stands: its places are recorded next to the document (``Frame.private``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

PREFIX = "_private"
PRIVATE_TEXT = "[redacted]"
"""Text that is shown instead of a private value that has no place of its own."""

Place = tuple[str | int, ...]
"""Place of a value in a document: names and indices."""

Places = tuple[Place, ...]
WHOLE: Places = ((),)
"""Places of a value that is private itself."""

_LEAVES = (str, int, float, type(None))


def without_private(document: Any) -> Any:
    """Return a document without its private properties, at any depth."""
    if isinstance(document, _LEAVES):  # most values: a check for Mapping takes ten times as long
        return document
    if isinstance(document, Mapping):
        return {name: without_private(value) for name, value in document.items() if not str(name).startswith(PREFIX)}
    if isinstance(document, list | tuple):
        return [without_private(one) for one in document]
    return document


def hide(document: Any, places: Places) -> Any:
    """Return a document for people to read, without what is at private places."""
    return PRIVATE_TEXT if () in places else without_private(split_private(document, places)[0])


def is_private(place: Place) -> bool:
    """Whether a place is private by its name."""
    return any(str(step).startswith(PREFIX) for step in place)


def places_below(places: Sequence[Place], place: Place) -> Places:
    """Return the private places of the value at ``place``; ``WHOLE`` if it is part of a private value."""
    if is_private(place) or any(place[: len(one)] == one for one in places):
        return WHOLE
    return tuple(one[len(place) :] for one in places if one[: len(place)] == place)


def places_after_write(places: Sequence[Place], at: Place, value: Sequence[Place]) -> Places:
    """Return the private places of a document after a value with private places was written at ``at``."""
    if is_private(at) or any(len(one) < len(at) and at[: len(one)] == one for one in places):
        return tuple(places)  # it is private there in any case
    kept = [one for one in places if one[: len(at)] != at]
    return (*kept, *((*at, *one) for one in value))


def private_places(document: Any, place: Place = ()) -> list[Place]:
    """Return the places of the private properties of a document."""
    if isinstance(document, _LEAVES):
        return []
    if isinstance(document, Mapping):
        found: list[Place] = []
        for name, value in document.items():
            here = (*place, name)
            found += [here] if str(name).startswith(PREFIX) else private_places(value, here)
        return found
    if isinstance(document, list | tuple):
        return [found for index, one in enumerate(document) for found in private_places(one, (*place, index))]
    return []


def split_private(document: Any, places: Sequence[Place]) -> tuple[Any, list[tuple[Place, Any]]]:
    """Return a document without the values at some places, and these values."""
    kept: list[tuple[Place, Any]] = []
    for place in sorted(set(places), key=len):
        if not any(place[: len(outer)] == outer for outer, _ in kept):
            document, value = _without(document, place)
            kept.append((place, value))
    return document, kept


def restore_private(document: Any, kept: Sequence[tuple[Place, Any]]) -> Any:
    """Return the document that ``split_private`` has split."""
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
