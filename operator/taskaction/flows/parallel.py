"""Parallel and Map: flows inside of a state, how many go on at a time, and what comes of them all (superset)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from taskaction.flows import definition as words
from taskaction.flows.effects import CancelAction
from taskaction.flows.errors import TOO_MANY_FAILURES
from taskaction.flows.parameters import Parameters
from taskaction.flows.program import Node, Program
from taskaction.flows.scope import Scope
from taskaction.flows.state import Failure, Frame, Within

AT_ONCE = 200
"""How many items are under way at a time where the flow does not say."""


class Turn(Protocol):
    """What one step of the machine lends to the flows inside."""

    def carry(self, frame: Frame, program: Program) -> Frame:
        """Carry one chain of states as far as it goes now."""

    def scope(self, data: Any) -> Scope:
        """Give a look at some data, for one state or item; what it costs is counted."""

    def rests(self) -> bool:
        """Say whether this step has done enough; then the run is looked at again soon."""

    def seed(self, visit: str) -> str:
        """Give what decides what is random in a visit."""


def advanced(frame: Frame, node: Node, turn: Turn) -> Frame:
    """Carry on every flow inside, and begin as many as there is room for.

    Raises:
        StateError: what an item is given cannot be evaluated.
    """
    within = frame.within
    if within is None:
        return frame
    frames, results, failures = dict(within.frames), dict(within.results), dict(within.failures)
    following = within.following
    waiting = list(frames)
    room = _room(node, within)
    while True:
        for index in waiting:
            inner = turn.carry(frames[index], program_of(node, index))
            frames[index] = inner
            if inner.ended:
                del frames[index]
                if inner.failure is None:
                    results[index] = inner.data
                else:
                    failures[index] = inner.failure
        if _is_over(node, within.count, len(failures)) or following >= within.count or len(frames) >= room:
            break
        if turn.rests():
            break
        waiting = [following]
        frames[following] = _begun(frame, node, following, turn)
        following += 1
    ended = len(results) + len(failures) != len(within.results) + len(within.failures)
    if not ended and following == within.following and all(one is within.frames[at] for at, one in frames.items()):
        return frame
    after = replace(within, frames=frames, results=results, failures=failures, following=following)
    return replace(frame, within=after)


def settled(frame: Frame, node: Node) -> Failure | list[Any] | None:
    """Give the results in order, or what the state fails with; None while it goes on."""
    within = frame.within
    if within is None:
        return None
    failures = within.failures
    if _is_over(node, within.count, len(failures)):
        first = failures[min(failures)]
        if not _tolerates(node):
            return first
        many = f"{len(failures)} of {within.count} items failed"
        return Failure(error=TOO_MANY_FAILURES, cause=f"{many}, the first with {first.error}: {first.cause}")
    if len(within.results) + len(failures) < within.count:
        return None
    shown = {index: {"Error": one.error, "Cause": one.cause} for index, one in failures.items()}
    return [within.results[index] if index in within.results else shown[index] for index in range(within.count)]


def cancelled(frame: Frame) -> Iterator[CancelAction]:
    """Give what stops every action under way in a frame."""
    for one in frame.everywhere():
        if one.acting is not None:
            yield CancelAction(one.acting)


def program_of(node: Node, index: int) -> Program:
    """Give what a branch runs, or what is run for an item."""
    return node.inner[index if isinstance(node.state, words.ParallelState) else 0]


def _room(node: Node, within: Within) -> int:
    most = node.state.max_concurrency if isinstance(node.state, words.MapState) else within.count
    return most or AT_ONCE


def _is_over(node: Node, count: int, failed: int) -> bool:
    """Say whether too much has failed."""
    if not isinstance(node.state, words.MapState) or not _tolerates(node):
        return failed > 0
    most, percentage = node.state.tolerated_failure_count, node.state.tolerated_failure_percentage
    return (most is not None and failed > most) or (percentage is not None and failed * 100 > count * percentage)


def _tolerates(node: Node) -> bool:
    """Say whether some may fail: if not, the state fails as the first does, however many fail at the same time."""
    state = node.state
    return isinstance(state, words.MapState) and bool(
        state.tolerated_failure_count or state.tolerated_failure_percentage
    )


def _begun(frame: Frame, node: Node, index: int, turn: Turn) -> Frame:
    program = program_of(node, index)
    inline = frame.inline or (isinstance(node.state, words.MapState) and node.state.inline)
    data = _given(frame, node, index, turn)
    return Frame(at=program.start_at, data=data, place=f"{frame.visit}.{index}.", inline=inline)


def _given(frame: Frame, node: Node, index: int, turn: Turn) -> Any:
    scope = turn.scope(frame.data)
    seed = turn.seed(f"{frame.visit}.{index}")
    if not isinstance(node.state, words.MapState):
        if isinstance(node.given, Parameters):
            return node.given.evaluated(scope, seed).value
        return frame.data if node.given is None else node.given.read(scope)
    items = node.items_path.read(scope) if node.items_path is not None else frame.data
    if not isinstance(node.given, Parameters):
        return items[index]
    of_the_item = {"Item": {"Index": index, "Value": items[index]}}
    return node.given.evaluated(scope.beside(Map=of_the_item), seed).value
