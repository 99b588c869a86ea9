"""The functions and methods that expressions may call (reference section 2.5); everything else is refused by name."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from taskaction.flows.budget import MAX_TEXT, width
from taskaction.flows.errors import RunTimeError

Function = Callable[..., Any]

METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(
        {
            "capitalize", "casefold", "center", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdecimal",
            "isdigit", "islower", "isnumeric", "isspace", "isupper", "join", "ljust", "lower", "lstrip", "partition",
            "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip",
            "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper", "zfill",
        }
    ),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
    dict: frozenset({"get", "items", "keys", "values"}),
}  # fmt: skip
"""By type: those that give a new value, and give it at once."""

_PADDING = frozenset({"center", "ljust", "rjust", "zfill"})
_FROM_THE_END = frozenset({"rfind", "rindex", "rpartition", "rsplit"})
"""Python looks from the end in time that grows with both texts; the other way it does not."""
_MOST_SIGNS = 10 * MAX_TEXT
ALL_METHODS = frozenset(name for names in METHODS.values() for name in names)


def method(value: Any, name: str) -> Function:
    """Give a method of a value, bounded in what it may produce.

    Raises:
        RunTimeError: values of this kind have none of this name.
    """
    if name not in METHODS.get(type(value), frozenset()):
        raise RunTimeError(f"{_kind(value)} has no method {name!r}")
    found: Function = getattr(value, name)
    if name in _PADDING:
        return lambda wide, *rest: found(width(wide), *rest)
    if name == "replace":
        return lambda old, new, *rest: _replaced(value, old, new, *rest)
    if name == "join":
        return lambda parts: _joined(value, parts)
    if name in _FROM_THE_END:
        return partial(_from_the_end, value, found)
    if name in {"items", "keys", "values"}:
        return lambda: list(found())
    return found


def functions(names: Mapping[str, Any], seed: str) -> dict[str, Function]:
    """Give the functions, for the state that an expression is evaluated on.

    ``seed`` decides what ``rand`` and ``randint`` give: the same for one visit of a state, however often it is
    evaluated, since a crash may have it evaluated again.
    """
    luck = _Luck(seed)
    return {
        "bool": bool,
        "dict": _dict,
        "float": float,
        "getattr": lambda name, default=None: _found(names, name, default),
        "int": int,
        "is_present": lambda name: _found(names, name, _ABSENT) is not _ABSENT,
        "len": len,
        "list": list,
        "pathsplit": pathsplit,
        "rand": luck.rand,
        "randint": lambda top: int(luck.rand() * top),
        "str": str,
        "tuple": tuple,
    }


def pathsplit(path: str) -> list[str]:
    """Split a path into the folder and the last part; the root ``/~/`` stays whole."""
    if path == "/~/" or not path.strip("/"):
        return [path, ""]
    trimmed = path.rstrip("/")
    parent, slash, last = trimmed.rpartition("/")
    if parent == "/~":
        return ["/~/", last]
    return [parent or slash, last]


class _Luck:
    """Random numbers, drawn only where they are asked for: to begin with them is dear."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._random: Random | None = None

    def rand(self) -> float:
        """Give the next number from 0 to 1."""
        if self._random is None:
            self._random = Random(self._seed)  # noqa: S311 - no secret
        return self._random.random()


_ABSENT = object()


def _found(names: Mapping[str, Any], name: str, default: Any) -> Any:
    """Look a name up, perhaps one with dots."""
    if name in names:
        return names[name]
    value: Any = names
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return default
        value = value[part]
    return value


def _replaced(text: str, old: str, new: str, *rest: int) -> str:
    if len(text) + text.count(old) * max(0, len(new) - len(old)) > MAX_TEXT:
        raise RunTimeError(f"replace would make a string of more than {MAX_TEXT} characters")
    return text.replace(old, new, *rest)


def _joined(between: str, parts: Sequence[str]) -> str:
    if len(between) * len(parts) > MAX_TEXT:
        raise RunTimeError(f"join would make a string of more than {MAX_TEXT} characters")
    return between.join(parts)


def _from_the_end(text: str, search: Function, *given: Any, **named: Any) -> Any:
    if any(isinstance(one, str) and len(one) * len(text) > _MOST_SIGNS for one in (*given, *named.values())):
        raise RunTimeError("it takes too many steps to look for so long a text from the end")
    return search(*given, **named)


def _dict(pairs: Any = (), **named: Any) -> dict[str, Any]:
    """Give an object; other keys than strings could be made to collide."""
    found = [(key, value) for key, value in (pairs.items() if isinstance(pairs, Mapping) else pairs)]
    if wrong := [key for key, _ in found if not isinstance(key, str)]:
        raise RunTimeError(f"the key {wrong[0]!r} of an object is no string")
    return {**dict(found), **named}


def _kind(value: Any) -> str:
    names = {str: "a string", list: "a list", dict: "an object", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else "a value")


FUNCTIONS = frozenset(functions({}, ""))
BEYOND_GLOBUS = frozenset({"bool", "dict", "list", "tuple"})
"""Those that neither Globus' documents nor simpleeval's own functions nor published flows have."""
