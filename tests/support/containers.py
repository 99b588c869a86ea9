"""Sizes of all containers that an object reaches, by the path to them: one that grows with use keeps what is over."""

from collections import Counter, deque
from collections.abc import Iterator
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakSet, WeakValueDictionary

PACKAGE = "taskaction."
OTHERS = ("taskaction.cluster.", "taskaction.testing.", "taskaction.api.", "taskaction.runtime.config")
"""Objects that are not looked into: the API server, its client, the clock, and models, whose size is their user's."""
QUEUES = ("asyncio.queues", "asyncio.locks")
LOOKED_INTO = ("taskaction.cluster.write_slots",)


def container_sizes(root: object) -> Counter[str]:
    """Return the number of items of all dicts, sets, lists and deques, summed over those with the same path."""
    sizes: Counter[str] = Counter()
    seen: set[int] = set()
    waiting = deque([("", root)])
    while waiting:  # the shortest path to each comes first
        path, found = waiting.popleft()
        if id(found) in seen or isinstance(found, str | bytes | int | float | type | ModuleType | None):
            continue
        seen.add(id(found))
        if isinstance(found, dict | WeakValueDictionary):
            sizes[path] += len(found)
            waiting += [(f"{path}[]", one) for one in found.values()]
        elif isinstance(found, list | set | frozenset | deque | WeakSet):
            sizes[path] += len(found)
            waiting += [(f"{path}[]", one) for one in found]
        elif isinstance(found, tuple):
            waiting += [(f"{path}()", one) for one in found]
        else:
            waiting += [(".".join(filter(None, (path, name))), value) for name, value in _parts(found)]
    return sizes


def _parts(found: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an object holds, by name; nothing of an object that belongs to a library."""
    if isinstance(found, partial):
        yield from (("", part) for part in (found.func, *found.args, *found.keywords.values()))
    elif isinstance(found, MethodType):
        yield "", found.__self__
    elif isinstance(found, FunctionType):
        yield from (("", cell.cell_contents) for cell in found.__closure__ or ())
    elif _is_looked_into(type(found).__module__):
        names = [name for kind in type(found).__mro__ for name in _slots(kind)]
        yield from ((name, getattr(found, name)) for name in names if hasattr(found, name))
        yield from getattr(found, "__dict__", {}).items()


def _slots(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_looked_into(module: str) -> bool:
    if module.startswith((*LOOKED_INTO, *QUEUES)):
        return True
    return module.startswith(PACKAGE) and not module.startswith(OTHERS)
