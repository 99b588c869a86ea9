"""Private data of a run: removes private parts from documents and restores them, without changing its input.

Properties whose names start with ``_private`` can be used in a flow, but are never shown. What was made from them is as
private, wherever it stands: its places are recorded next to the document (``Frame.private``). The time of every
function is linear in the sizes of the document and of its places.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PREFIX = "_private"
PRIVATE_TEXT = "[redacted]"
"""Text that is shown instead of a private value that has no place of its own."""

Place = tuple[str | int, ...]
"""Place of a value in a document: names and indices."""

Places = tuple[Place, ...]
WHOLE: Places = ((),)
"""Places of a value that is private itself."""

_PARTS = (dict, list, tuple)
_SCALARS = frozenset({str, int, float, bool, type(None)})


def without_private(document: Any) -> Any:
    """Return a document without its private properties, at any depth; the document itself if it has none."""
    return _remove_private(document) if _has_private_name(document) else document


def _remove_private(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: _remove_private(value) for name, value in document.items() if not _is_private_name(name)}
    if isinstance(document, list | tuple):
        return [_remove_private(one) for one in document]
    return document


def _has_private_name(document: Any) -> bool:
    """Whether any property is private by its name; most documents have none, and need no copy."""
    level = [document]
    while level:
        below: list[Any] = []
        for part in level:
            if isinstance(part, dict):
                if any(map(_is_private_name, part)):
                    return True
                below += [one for one in part.values() if type(one) not in _SCALARS and one]
            elif isinstance(part, list | tuple):
                below += [one for one in part if type(one) not in _SCALARS and one]
        level = below
    return False


def _is_private_name(name: object) -> bool:
    return str(name).startswith(PREFIX)


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


def private_places(document: Any) -> list[Place]:
    """Return the places of the private properties of a document."""
    found: list[Place] = []
    if _has_private_name(document):
        _collect_private(document, [], found)
    return found


def _collect_private(part: Any, place: list[str | int], found: list[Place]) -> None:
    for name, one in part.items() if isinstance(part, dict) else enumerate(part):
        if isinstance(name, str) and _is_private_name(name):
            found.append((*place, name))
        elif isinstance(one, _PARTS) and one:
            place.append(name)
            _collect_private(one, place, found)
            place.pop()


def split_private(document: Any, places: Iterable[Place]) -> tuple[Any, list[tuple[Place, Any]]]:
    """Return a document without the values at some places, and these values; a value in another one goes with it."""
    kept: list[tuple[Place, Any]] = []
    tree = _tree((place, None) for place in places)
    return (_split(document, tree, (), kept) if tree else document), kept


def restore_private(document: Any, kept: Iterable[tuple[Place, Any]]) -> Any:
    """Return the document that ``split_private`` has split."""
    tree = _tree(kept)
    return _restore(document, tree) if tree else document


class _Leaf:
    """End of a place in a tree of places."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


_Tree = dict[str | int, "_Tree | _Leaf"]
"""Places by their steps."""


def _tree(places: Iterable[tuple[Place, Any]]) -> _Tree:
    """Return the tree of places with their values; a place within another one is not in it."""
    tree: _Tree = {}
    for place, value in places:
        below: _Tree | _Leaf = tree
        for step in place[:-1]:
            if isinstance(below, _Leaf):
                break
            below = below.setdefault(step, {})
        if isinstance(below, dict):
            below[place[-1]] = _Leaf(value)
    return tree


def _split(part: Any, tree: _Tree, place: Place, kept: list[tuple[Place, Any]]) -> Any:
    is_object = isinstance(part, Mapping)
    shown: Any = dict(part) if is_object else list(part)
    for step, below in tree.items():
        here, value = (*place, step), part[step]
        if isinstance(below, dict):
            shown[step] = _split(value, below, here, kept)
            continue
        kept.append((here, value))
        if is_object:
            del shown[step]
        else:
            shown[step] = None
    return shown


def _restore(part: Any, tree: _Tree) -> Any:
    whole: Any = dict(part) if isinstance(part, Mapping) else list(part)
    for step, below in tree.items():
        whole[step] = _restore(part[step], below) if isinstance(below, dict) else below.value
    return whole
