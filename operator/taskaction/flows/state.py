"""All that a run needs to go on, as values that survive as JSON; decides nothing.

A run is a frame: one chain of states. A Parallel or Map has frames inside. Every frame names its visits by its own
place and count, so that a visit has the same name whatever happens in other frames, and whenever a crash repeats it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter

Status = Literal["ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How a flow, a branch or an item failed.

    Attributes:
        error: the error's name (reference section 2.8).
        cause: why: a text, or the status document of the action that failed.
        state_name: the state that failed.
        also: another name by which a handler may mean it.
    """

    error: str
    cause: Any
    state_name: str = ""
    also: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """Where a Parallel or Map stands.

    Attributes:
        frames: those under way, by branch or item.
        results: of those that have ended well, by branch or item; ``failures`` of the others.
        following: the next item to begin; ``count`` when all have begun.
    """

    count: int
    frames: "Mapping[int, Frame]" = field(default_factory=dict)
    results: Mapping[int, Any] = field(default_factory=dict)
    failures: Mapping[int, Failure] = field(default_factory=dict)
    following: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One chain of states: a run, a branch, or what is done with one item.

    Attributes:
        place: what its visits' names begin with; empty for the run itself.
        at: the state that it is in, or is about to enter.
        data: the state of the flow, as its states see it.
        visits: how many states it has entered.
        acting: the visit whose action is under way.
        paused: what an action says that waits for people.
        until: when a Wait is over, or a failed state is tried again (``again``).
        tries: how often each Retry entry of the state has been used, by its number.
        inline: its actions have no objects of their own.
        failure: set when it has ended badly; ``ended`` when it has ended at all.
    """

    at: str
    data: Any
    place: str = ""
    visits: int = 0
    acting: str | None = None
    paused: Mapping[str, Any] | None = None
    until: datetime | None = None
    again: bool = False
    tries: Mapping[int, int] = field(default_factory=dict)
    within: Within | None = None
    inline: bool = False
    ended: bool = False
    failure: Failure | None = None

    @property
    def visit(self) -> str:
        """The name of the visit that it is in."""
        return f"{self.place}{self.visits}"

    def entered(self) -> "Frame":
        """Give it at the beginning of the next visit; of the last one only the tries count."""
        return Frame(
            at=self.at,
            data=self.data,
            place=self.place,
            visits=self.visits + 1,
            tries=self.tries,
            inline=self.inline,
        )

    def left(self, data: Any, following: str | None) -> "Frame":
        """Give it where a state has led to, None for the end."""
        return Frame(
            at=following or self.at,
            data=data,
            place=self.place,
            visits=self.visits,
            inline=self.inline,
            ended=following is None,
        )

    def everywhere(self) -> "Iterator[Frame]":
        """Go through this frame and all inside."""
        yield self
        for inner in (self.within.frames if self.within is not None else {}).values():
            yield from inner.everywhere()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowState:
    """One run.

    Attributes:
        run_id: names the run; random values are drawn from it, so they are the same after a crash.
        context: what ``$._context`` is.
        deadline: when the run fails with ``States.Timeout``.
        questions: what is asked by ``AwaitWebInput``, by the visit that created it.
    """

    run_id: str
    context: Mapping[str, Any]
    root: Frame
    deadline: datetime
    status: Status = "ACTIVE"
    questions: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON; what is at its default is left out."""
        found: dict[str, Any] = _ADAPTER.dump_python(self, mode="json", exclude_defaults=True)
        return found

    @staticmethod
    def from_json(document: Any) -> "FlowState":
        """Read what ``to_json`` gave.

        Raises:
            pydantic.ValidationError: it is something else.
        """
        return _ADAPTER.validate_python(document)


_ADAPTER = TypeAdapter(FlowState)
