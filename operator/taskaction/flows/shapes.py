"""Shapes: what is known of a JSON value before any run, for the check of reads and writes that can never succeed.

A shape stands for a set of values that contains each value a run can have at a place; it may contain more. So what a
shape cannot have, no run has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

Step = str | int

MAX_DEPTH = 8
"""Nesting of a constant below which its shape is not looked at."""

MAX_FIELDS = 100
"""Number of properties in a shape above which it is no longer followed."""


class JsonType(StrEnum):
    """Type of a JSON value; the value of a member is for messages."""

    OBJECT = "an object"
    LIST = "a list"
    STRING = "a string"
    NUMBER = "a number"
    BOOLEAN = "true or false"
    NULL = "null"


_EVERY = frozenset(JsonType)


@dataclass(frozen=True, slots=True)
class Shape:
    """Set of JSON values.

    Attributes:
        kinds: the types that a value may have.
        fields: the properties that an object may have; ``is_open`` if it may have others, too.
        item: the shape of every element of a list; None for any.
        length: the largest number of elements of a list; None for any.
        size: the number of shapes in it, with itself.
    """

    kinds: frozenset[JsonType] = _EVERY
    fields: Mapping[str, "Shape"] = field(default_factory=dict)
    is_open: bool = True
    item: "Shape | None" = None
    length: int | None = None
    size: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Count the properties once, because each step of the check asks for their number."""
        inner = sum(one.size for one in self.fields.values()) + (self.item.size if self.item is not None else 0)
        object.__setattr__(self, "size", 1 + inner)

    def at(self, step: Step) -> "Shape | None":
        """Return the shape of a property or element; None if no value has it."""
        if isinstance(step, str):
            if JsonType.OBJECT not in self.kinds:
                return None
            return self.fields.get(step, ANY if self.is_open else None)
        if JsonType.LIST not in self.kinds or (self.length is not None and not -self.length <= step < self.length):
            return None
        return self.item or ANY

    def written(self, steps: Sequence[Step], value: "Shape") -> "Shape | None":
        """Return the shape after a value was written at a place; None if that always fails.

        As in a run, missing objects are created, and null counts as missing.
        """
        if not steps:
            return value
        step, rest = steps[0], steps[1:]
        if isinstance(step, int):
            element = self.at(step)
            changed = element.written(rest, value) if element is not None else None
            return None if changed is None else _list_of(join(element or ANY, changed), self.length)
        if not self.kinds & {JsonType.OBJECT, JsonType.NULL}:
            return None
        inner = join(self.at(step) or NULL, NULL).written(rest, value)
        return None if inner is None else object_of({**self.fields, step: inner}, is_open=self.has_open_objects)

    @property
    def is_small(self) -> bool:
        """Whether the shape has few enough properties to be followed further."""
        return self.size <= MAX_FIELDS

    @property
    def has_open_objects(self) -> bool:
        """Whether an object may have properties that are not known."""
        return JsonType.OBJECT in self.kinds and self.is_open


ANY = Shape()
OBJECT = Shape(frozenset({JsonType.OBJECT}))
STRING = Shape(frozenset({JsonType.STRING}))
NUMBER = Shape(frozenset({JsonType.NUMBER}))
BOOLEAN = Shape(frozenset({JsonType.BOOLEAN}))
NULL = Shape(frozenset({JsonType.NULL}))


def object_of(fields: Mapping[str, Shape], *, is_open: bool = False) -> Shape:
    """Return the shape of objects with some properties."""
    return Shape(frozenset({JsonType.OBJECT}), fields, is_open)


def list_of(items: Sequence[Shape]) -> Shape:
    """Return the shape of lists with these elements, whose order is not kept."""
    return _list_of(join(*items) if items else None, len(items))


def items_of(item: Shape | None) -> Shape:
    """Return the shape of lists of any length."""
    return _list_of(item, None)


def constant_of(value: Any, depth: int = 0) -> Shape:
    """Return the shape of a constant."""
    is_followed = depth < MAX_DEPTH and isinstance(value, Mapping | list) and len(value) <= MAX_FIELDS
    match value:
        case Mapping():
            inner = {name: constant_of(one, depth + 1) for name, one in value.items()} if is_followed else {}
            return object_of(inner, is_open=not is_followed)
        case list():
            return list_of([constant_of(one, depth + 1) for one in value]) if is_followed else items_of(None)
        case bool():
            return BOOLEAN
        case int() | float():
            return NUMBER
    return STRING if isinstance(value, str) else NULL


def join(*shapes: Shape) -> Shape:
    """Return the shape of all values of some shapes."""
    first, *others = shapes
    for one in others:
        first = _joined(first, one)
    return first


def _joined(left: Shape, right: Shape) -> Shape:
    if left is right or left is ANY:
        return left
    if right is ANY:
        return ANY
    is_open = left.has_open_objects or right.has_open_objects
    fields: dict[str, Shape] = {}
    for name in {**_fields(left), **_fields(right)}:
        sides = [one for one in (left.at(name), right.at(name)) if one is not None]
        fields[name] = join(*sides)
    lists = [one for one in (left, right) if JsonType.LIST in one.kinds]
    items = [one.item for one in lists]
    known = [item for item in items if item is not None]
    lengths = [one.length for one in lists if one.length is not None]
    return Shape(
        left.kinds | right.kinds,
        fields,
        is_open,
        join(*known) if known and len(known) == len(items) else None,
        max(lengths) if lengths and len(lengths) == len(lists) else None,
    )


def _fields(shape: Shape) -> Mapping[str, Shape]:
    return shape.fields if JsonType.OBJECT in shape.kinds else {}


def _list_of(item: Shape | None, length: int | None) -> Shape:
    return replace(_LIST, item=item, length=length)


_LIST = Shape(frozenset({JsonType.LIST}))


def explain_absence(shape: Shape, steps: Sequence[Step], root: str) -> str | None:
    """Return why no value has anything at a place, or None if one may have; ``root`` names the value itself."""
    found: Shape = shape
    for count, step in enumerate(steps):
        inner = found.at(step)
        if inner is None:
            return f"{place_text(root, steps[:count])} {_describe(found, step)}"
        found = inner
    return None


def place_text(root: str, steps: Sequence[Step]) -> str:
    """Return a place as text."""
    return root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _describe(shape: Shape, step: Step) -> str:
    if isinstance(step, str) and JsonType.OBJECT in shape.kinds:
        return f"has only {', '.join(sorted(shape.fields)[:10])}" if shape.fields else "has no properties"
    if isinstance(step, int) and JsonType.LIST in shape.kinds:
        return f"has at most {shape.length} elements"
    return f"is {' or '.join(sorted(shape.kinds))}"
