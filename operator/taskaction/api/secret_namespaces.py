"""References to Secrets of other namespaces in a provider's spec, which only a ClusterActionProvider may contain; pure.

Whoever may write an ActionProvider has rights in its namespace only. The schema of ``config`` is the executor's, so a
reference is recognized by its form: an object with ``name``, ``key`` and ``namespace``.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_REFERENCE = frozenset({"name", "key", "namespace"})
_FIELDS = ("config", "webhook")
_PARTS = (dict, list, tuple)


def foreign_secret_problem(spec: Mapping[str, Any], namespace: str) -> str | None:
    """Return what is wrong with the spec of an ActionProvider of ``namespace``, as stored; None if nothing is."""
    for path, reference in _references({name: spec.get(name) for name in _FIELDS}, "spec"):
        other = reference["namespace"]
        if other is not None and other != namespace:
            return (
                f"{path}.namespace: an ActionProvider reads Secrets in its own namespace only, not in {str(other)!r}: "
                f"copy the Secret to namespace {namespace!r} and remove the field, or use a ClusterActionProvider"
            )
    return None


def _references(value: object, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every reference with its path; iterative, because users decide how deep a config is nested."""
    left: list[tuple[object, str]] = [(value, path)]
    while left:
        part, at = left.pop()
        if isinstance(part, Mapping):
            if part.keys() >= _REFERENCE:
                yield at, part
            left += [(inner, f"{at}.{name}") for name, inner in part.items() if inner and isinstance(inner, _PARTS)]
        elif isinstance(part, list | tuple):
            left += [
                (inner, f"{at}[{number}]") for number, inner in enumerate(part) if inner and isinstance(inner, _PARTS)
            ]
