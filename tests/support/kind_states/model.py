"""States of kinds, and how a table of them is written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from taskaction.cluster.gateway import Resource

Body = dict[str, Any]
MEANINGS = ("succeeded", "failed", "suspended", "waiting", "running")


@dataclass(frozen=True, eq=False)
class State:
    """One state of a kind: a status, with fields of the spec where they count, and what it means for an action."""

    meaning: str
    status: Body
    spec: Body = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The state in a few words, for the name of a test."""
        return "-".join([self.meaning, *_leaves(self.status), *_leaves(self.spec)])[:100]


@dataclass(frozen=True, eq=False)
class Known:
    """A kind and all its states."""

    resource: Resource
    source: str
    states: tuple[State, ...]

    @property
    def title(self) -> str:
        """Group and kind."""
        return f"{self.resource.group}/{self.resource.kind}"


def condition(name: str, status: str = "True", reason: str = "", message: str = "") -> Body:
    """Return a condition."""
    more = {key: text for key, text in {"reason": reason, "message": message}.items() if text}
    return {"type": name, "status": status} | more


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    else:
        yield str(value)


def _nested(path: str, value: Any) -> Body:
    for name in reversed(path.split(".")):
        value = {name: value}
    return dict(value)


def values(path: str, **meanings: str) -> list[State]:
    """Return a state for each word of each meaning, as the value of one field of the status."""
    return [State(meaning, _nested(path, word)) for meaning, words in meanings.items() for word in words.split()]


def conditions(name: str, status: str, reasons: Iterable[str], meaning: str) -> list[State]:
    """Return a state for each reason of a condition."""
    return [State(meaning, {"conditions": [condition(name, status, one)]}) for one in reasons]


def on(meaning: str, *given: Body, **spec: Any) -> State:
    """Return a state of several conditions, with fields of the spec."""
    return State(meaning, {"conditions": list(given)}, spec)


def kind(api_version: str, name: str, source: str, *states: State, categories: tuple[str, ...] = ()) -> Known:
    """Return a kind with its states, and where they come from: repository, release, file."""
    group, _, version = api_version.rpartition("/")
    plural = f"{name.lower()}s"
    resource = Resource(group=group, version=version, plural=plural, kind=name, categories=categories)
    return Known(resource, source, states)


NEW = State("running", {})
"""State of an object that its controller has not touched yet."""
