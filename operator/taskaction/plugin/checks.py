"""Checks that users write for JSON of any kind: the value of a field, or a condition; knows no executor."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from taskaction.core.json_values import is_same
from taskaction.plugin.parameters import Parameters

ApiVersion = Annotated[str, Field(max_length=316, pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[a-z0-9]+$")]
"""A group and version, such as v1 or apps/v1."""


class Expectation(Parameters):
    """Value that a field of a JSON body must have."""

    path: Annotated[str, Field(max_length=253)]
    """The path of the field; dots separate the names of objects and the indices of lists."""
    equals: Any
    """The value, or a list of accepted values."""

    def holds(self, body: Any) -> bool:
        """Whether the field of ``body`` has the value."""
        value = at_path(body, self.path)
        wanted = self.equals if isinstance(self.equals, list) else [self.equals]
        return any(is_same(value, one) for one in wanted)

    def describe(self, body: Any) -> str:
        """Return a description of the present value."""
        return f"{self.path} is {at_path(body, self.path)!r}"


class ExpectedCondition(Parameters):
    """Condition that `status.conditions` must contain."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """The type of the condition."""
    status: str = "True"
    """The status of the condition. Default True."""

    def holds(self, body: Any) -> bool:
        """Whether ``body`` has the condition with this status."""
        return find_condition(body, self.type).get("status") == self.status

    def describe(self, body: Any) -> str:
        """Return a description of the present condition."""
        found = find_condition(body, self.type)
        said = ": ".join(str(found[name]) for name in ("reason", "message") if found.get(name))
        return f"condition {self.type} is {found.get('status', 'missing')}" + (f" ({said})" if said else "")


def list_conditions(body: Any) -> list[Mapping[str, Any]]:
    """Return the conditions in the status of ``body``."""
    found = at_path(body, "status.conditions")
    return [one for one in (found if isinstance(found, list) else ()) if isinstance(one, dict)]


def find_condition(body: Any, kind: str) -> Mapping[str, Any]:
    """Return the condition of a type in the status of ``body``, or an empty one."""
    return next((one for one in list_conditions(body) if one.get("type") == kind), {})


def at_path(value: Any, path: str) -> Any:
    """Return the value at a dotted path of a JSON value, or None if it does not exist."""
    for name in path.split("."):
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value
