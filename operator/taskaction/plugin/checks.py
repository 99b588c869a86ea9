"""What users say they wait for, in JSON of any kind: a value at a place, or a condition; knows no executor."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from taskaction.plugin.parameters import Parameters

ApiVersion = Annotated[str, Field(max_length=316, pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[a-z0-9]+$")]
"""A group and version, such as v1 or apps/v1."""


class Expectation(Parameters):
    """A value at a place in a JSON body."""

    path: Annotated[str, Field(max_length=253)]
    """The place, dots reaching into objects and lists."""
    equals: Any
    """The value, or any of a list of values."""

    def holds(self, body: Any) -> bool:
        """Say whether ``body`` has the value in its place."""
        value = at_path(body, self.path)
        wanted = self.equals if isinstance(self.equals, list) else [self.equals]
        return any(_same(value, one) for one in wanted)

    def finding(self, body: Any) -> str:
        """Give what is in that place, in words."""
        return f"{self.path} is {at_path(body, self.path)!r}"


class ConditionWanted(Parameters):
    """A condition in `status.conditions`."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """Its type."""
    status: str = "True"
    """Its status. Default True."""

    def holds(self, body: Any) -> bool:
        """Say whether ``body`` has the condition in that status."""
        return _condition(body, self.type).get("status") == self.status

    def finding(self, body: Any) -> str:
        """Give how the condition stands, in words."""
        found = _condition(body, self.type)
        said = ": ".join(str(found[name]) for name in ("reason", "message") if found.get(name))
        return f"condition {self.type} is {found.get('status', 'missing')}" + (f" ({said})" if said else "")


def _same(value: Any, wanted: Any) -> bool:
    """Compare as JSON does: to Python ``True`` and 1 are the same."""
    if isinstance(value, dict) and isinstance(wanted, dict):
        return value.keys() == wanted.keys() and all(_same(part, wanted[name]) for name, part in value.items())
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(_same, value, wanted))
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)


def _condition(body: Any, kind: str) -> Mapping[str, Any]:
    conditions = at_path(body, "status.conditions")
    for condition in conditions if isinstance(conditions, list) else ():
        if isinstance(condition, dict) and condition.get("type") == kind:
            return condition
    return {}


def at_path(value: Any, path: str) -> Any:
    """Give the value at a dotted path of a JSON value, None where there is none."""
    for name in path.split("."):
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value
