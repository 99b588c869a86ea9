"""State of a run: everything that it needs to continue, as values that can be stored as JSON.

A run is a frame: one chain of states. A Parallel or Map has inner frames. Every frame names its visits by its place and
a counter, so that the name of a visit depends neither on other frames nor on repetitions after a crash.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter

from taskaction.flows.privacy import Place, Places

Status = Literal["ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Failure of a flow, a branch or an item.

    Attributes:
        error: the name of the error.
        cause: the cause: a text, or the status document of the failed action.
        state_name: the state that failed.
        also: another name that a handler may use.
    """

    error: str
    cause: Any
    state_name: str = ""
    also: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLimits:
    """Limits of a Map.

    Attributes:
        concurrency: the maximum number of items at the same time; 0 for the default of the engine.
        count: the number of items that may fail; ``percentage`` of all items. None for no such limit.
    """

    concurrency: int = 0
    count: int | None = None
    percentage: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerFrames:
    """State of a Parallel or Map.

    Attributes:
        frames: the running frames, by branch or item.
        results: results of those that succeeded, by branch or item; ``failures`` of the others.
        following: the next item to start; ``count`` when all have started.
        private: the private places of the results, each with its index first.
        limits: the limits that were read from the state of the flow; None if they are constants of the definition.
    """

    count: int
    frames: "Mapping[int, Frame]" = field(default_factory=dict)
    results: Mapping[int, Any] = field(default_factory=dict)
    failures: Mapping[int, Failure] = field(default_factory=dict)
    following: int = 0
    private: Places = ()
    limits: MapLimits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Frame: one chain of states, of a run, a branch or an item.

    Attributes:
        place: the prefix of the names of its visits; empty for the run itself.
        at: the current or next state.
        data: the state of the flow in this frame.
        visits: number of states that it has entered.
        acting: the visit whose action is running.
        paused: the details of an action that waits for people.
        until: when a Wait ends, or a failed state is retried (``again``).
        tries: how often each Retry entry of the state was used, by its number.
        inline: its actions have no objects of their own.
        failure: set if it failed; ``ended`` is true in any case once it has ended.
        private: the places in ``data`` that are private although their names do not say so.
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
    within: InnerFrames | None = None
    inline: bool = False
    ended: bool = False
    failure: Failure | None = None
    private: Places = ()

    @property
    def visit(self) -> str:
        """Name of the current visit."""
        return f"{self.place}{self.visits}"

    def enter(self) -> "Frame":
        """Return the frame at the start of the next visit; only ``tries`` is kept from the previous one."""
        return Frame(
            at=self.at,
            data=self.data,
            place=self.place,
            visits=self.visits + 1,
            tries=self.tries,
            inline=self.inline,
            private=self.private,
        )

    def leave(self, data: Any, private: Places, following: str | None) -> "Frame":
        """Return the frame after a state, at the next one; None for the end."""
        return Frame(
            at=following or self.at,
            data=data,
            place=self.place,
            visits=self.visits,
            inline=self.inline,
            ended=following is None,
            private=private,
        )

    def walk(self) -> "Iterator[Frame]":
        """Yield this frame and all inner frames."""
        yield self
        for inner in (self.within.frames if self.within is not None else {}).values():
            yield from inner.walk()

    def stored_private(self, at: Place) -> Iterator[Place]:
        """Yield the private places in the stored form of the frame, which is at ``at`` of a document."""
        yield from ((*at, "data", *place) for place in self.private)
        if self.within is not None:
            for index, *rest in self.within.private:
                yield (*at, "within", "results", str(index), *rest)
            for number, inner in self.within.frames.items():
                yield from inner.stored_private((*at, "within", "frames", str(number)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowState:
    """State of one run.

    Attributes:
        run_id: identifies the run; it seeds random values, so they are the same after a crash.
        context: the value of ``$._context``.
        deadline: when the run fails with ``States.Timeout``.
        entered: number of states that the run has entered, in all its frames.
        questions: the questions of ``AwaitWebInput``, by the visit that created them.
    """

    run_id: str
    context: Mapping[str, Any]
    root: Frame
    deadline: datetime
    status: Status = "ACTIVE"
    entered: int = 0
    questions: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON, without default values."""
        found: dict[str, Any] = _ADAPTER.dump_python(self, mode="json", exclude_defaults=True)
        return found

    def stored_private(self) -> Places:
        """Return the private places in the result of ``to_json`` that are not private by their names."""
        return tuple(self.root.stored_private(("root",)))

    @staticmethod
    def from_json(document: Any) -> "FlowState":
        """Return the state from the result of ``to_json``.

        Raises:
            pydantic.ValidationError: the document is not a state.
        """
        return _ADAPTER.validate_python(document)


_ADAPTER = TypeAdapter(FlowState)
