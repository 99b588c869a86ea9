"""Stored form of the state of a run: JSON without its private parts, and these parts.

A large state is translated in a worker process, which sends JSON: the event loop passes that on without a look at its
values, so its time does not depend on them.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from taskaction.flows.budget import count_values
from taskaction.flows.effects import StartAction
from taskaction.flows.privacy import PREFIX, Place, private_places, restore_private, split_private
from taskaction.flows.state import FlowState

SECRET_BYTES = 1_048_576
"""Maximum size of the data of a Secret, which Kubernetes enforces."""

MOST_VALUES = 250_000
"""Maximum number of values in the state of a run, which a worker process sends to the event loop in about 20 ms."""

QUICK_VALUES = 60_000
"""Maximum number of values in a state that the event loop itself translates, in about 10 ms."""

PrivateParts = list[tuple[Place, Any]]

_PRIVATE_NAME = f'"{PREFIX}'.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDocument:
    """Stored form of a state.

    Attributes:
        content: the state without its private parts, as JSON.
        private: the private parts, each with its place.
        member: the name of the state in the content; None if the content is the state itself.
    """

    content: bytes
    private: PrivateParts
    member: str | None = None

    @staticmethod
    def from_state(state: FlowState) -> "StateDocument":
        """Return the stored form of a state."""
        document, places = state.to_json(), state.stored_private()
        content = orjson.dumps(document)
        if not places and _PRIVATE_NAME not in content:
            return StateDocument(content=content, private=[])
        shown, private = split_private(document, [*private_places(document), *places])
        return StateDocument(content=orjson.dumps(shown), private=private)

    @property
    def values(self) -> int:
        """Maximum number of values in the whole state: each takes time of the event loop, unlike its size."""
        return _count_at_most(self.content) + (_count_at_most(orjson.dumps(self.private)) if self.private else 0)

    def to_state(self) -> FlowState:
        """Return the state; raise ``pydantic.ValidationError`` if the document is not one."""
        document = orjson.loads(self.content)
        shown = document if self.member is None else document[self.member]
        return FlowState.from_json(restore_private(shown, self.private))

    def overflow_problem(self, max_bytes: int) -> str | None:
        """Return in what the document exceeds the limits of all states, or None."""
        if len(self.content) > max_bytes:
            return f"is larger than {max_bytes} bytes"
        if self.private and len(orjson.dumps(self.private)) > SECRET_BYTES:
            return f"has more than {SECRET_BYTES} bytes of private data"
        if self.values > MOST_VALUES and count_values(orjson.loads(self.content), MOST_VALUES) > MOST_VALUES:
            return f"has more than {MOST_VALUES} values"
        return None


@dataclass(frozen=True, slots=True)
class LoadedState:
    """State that was read again, with the maximum number of its values, and the actions for which it waits."""

    state: FlowState
    values: int
    starts: tuple[StartAction, ...]


NO_STATE = StateDocument(content=b"null", private=[])
"""The stored form of the state of a run that has ended."""


def _count_at_most(content: bytes) -> int:
    """Return the maximum number of values in JSON; signs in texts count, too."""
    return 1 + content.count(b",") + content.count(b"[") + content.count(b"{")
