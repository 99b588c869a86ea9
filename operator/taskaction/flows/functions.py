"""Functions and methods that expressions may call; everything else is rejected by name."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from taskaction.flows.budget import MAX_TEXT, check_width
from taskaction.flows.errors import ExpressionError, RunTimeError
from taskaction.flows.paths import Path, parse_reference_path
from taskaction.flows.scope import EvaluationScope

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
"""Methods by type: those that return a new value in bounded time."""

_PADDING = frozenset({"center", "ljust", "rjust", "zfill"})
_FROM_THE_END = frozenset({"rfind", "rindex", "rpartition", "rsplit"})
"""Methods that search from the end; in Python, their time grows with the product of both lengths."""
_MOST_SIGNS = 10 * MAX_TEXT
ALL_METHODS = frozenset(name for names in METHODS.values() for name in names)


def bounded_method(value: Any, name: str) -> Function:
    """Return a method of a value, with a limit on its result.

    Raises:
        RunTimeError: values of this type have no such method.
    """
    if name not in METHODS.get(type(value), frozenset()):
        raise RunTimeError(f"{_kind(value)} has no method {name!r}")
    found: Function = getattr(value, name)
    if name in _PADDING:
        return lambda wide, *rest: found(check_width(wide), *rest)
    if name == "replace":
        return lambda old, new, *rest: _replace(value, old, new, *rest)
    if name == "join":
        return lambda parts: _join(value, parts)
    if name in _FROM_THE_END:
        return partial(_from_the_end, value, found)
    if name in {"items", "keys", "values"}:
        return lambda: list(found())
    return found


def available_functions(scope: EvaluationScope, seed: str) -> dict[str, Function]:
    """Return the functions for the state on which an expression is evaluated.

    ``seed`` determines the results of ``rand`` and ``randint``: the same for one visit of a state, because a crash may
    repeat the evaluation.
    """
    luck = _LazyRandom(seed)
    return {
        "bool": bool,
        "dict": _dict,
        "float": float,
        "getattr": lambda name, default=None: _lookup(scope, name, default),
        "int": int,
        "is_present": lambda name: _lookup(scope, name, _ABSENT) is not _ABSENT,
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


class _LazyRandom:
    """Random numbers with lazy initialization, which is expensive."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._random: Random | None = None

    def rand(self) -> float:
        """Return the next number from 0 to 1."""
        if self._random is None:
            self._random = Random(self._seed)  # noqa: S311 - no secret
        return self._random.random()


_ABSENT = object()


def parse_name(name: str) -> Path | None:
    """Return the path that a name of ``is_present`` or ``getattr`` spells: ``$.a``, ``a[0]``, ``['a']``.

    A name without brackets and ``$`` is None: it names a property, or properties with dots between them.

    Raises:
        ExpressionError: the name is no path to one place.
    """
    if name.startswith("$"):
        return parse_reference_path(name)
    if "[" in name:
        return parse_reference_path(f"${name}" if name.startswith("[") else f"$.{name}")
    return None


def _lookup(scope: EvaluationScope, name: str, default: Any) -> Any:
    """Return the value of a name, or of a path in any spelling."""
    names = scope.names
    if name in names:
        return names[name]
    try:
        path = parse_name(name)
    except ExpressionError as error:
        raise RunTimeError(str(error)) from error
    if path is not None:
        found = path.find(scope)
        return default if found is None else found[0]
    value: Any = names
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return default
        value = value[part]
    return value


def _replace(text: str, old: str, new: str, *rest: int) -> str:
    if len(text) + text.count(old) * max(0, len(new) - len(old)) > MAX_TEXT:
        raise RunTimeError(f"the result of replace would exceed {MAX_TEXT} characters")
    return text.replace(old, new, *rest)


def _join(between: str, parts: Sequence[str]) -> str:
    if len(between) * len(parts) > MAX_TEXT:
        raise RunTimeError(f"the result of join would exceed {MAX_TEXT} characters")
    return between.join(parts)


def _from_the_end(text: str, search: Function, *given: Any, **named: Any) -> Any:
    if any(isinstance(one, str) and len(one) * len(text) > _MOST_SIGNS for one in (*given, *named.values())):
        raise RunTimeError("too many steps; use a shorter text for a search from the end")
    return search(*given, **named)


def _dict(pairs: Any = (), **named: Any) -> dict[str, Any]:
    """Return an object with string keys only, because other keys could be made to collide."""
    found = [(key, value) for key, value in (pairs.items() if isinstance(pairs, Mapping) else pairs)]
    if wrong := [key for key, _ in found if not isinstance(key, str)]:
        raise RunTimeError(f"the key {wrong[0]!r} of an object is not a string")
    return {**dict(found), **named}


def _kind(value: Any) -> str:
    names = {str: "a string", list: "a list", dict: "an object", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else "a value")


FUNCTIONS = frozenset(available_functions(EvaluationScope({}), ""))
NAME_READERS = frozenset({"getattr", "is_present"})
"""Functions that read the state by a name, which may be computed."""
BEYOND_GLOBUS = frozenset({"bool", "dict", "list", "tuple"})
"""Functions that neither the Globus documentation nor simpleeval nor published flows contain."""
