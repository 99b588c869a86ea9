"""Parallel and Map: flows within a state, their concurrency and their results (extension)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from taskaction.flows import definition as words
from taskaction.flows.effects import CancelAction
from taskaction.flows.errors import TOO_MANY_FAILURES
from taskaction.flows.parameters import Evaluated, ParameterTemplate
from taskaction.flows.privacy import places_below
from taskaction.flows.program import Node, Program
from taskaction.flows.scope import EvaluationScope
from taskaction.flows.state import Failure, Frame, InnerFrames
from taskaction.flows.values import items_of

AT_ONCE = 200
"""Default maximum number of items at the same time."""


class Turn(Protocol):
    """Interface of a step of the machine for inner flows."""

    def carry(self, frame: Frame, program: Program) -> Frame:
        """Advance one chain of states as far as possible."""

    def scope(self, frame: Frame) -> EvaluationScope:
        """Return a scope for the data of a frame, with a budget."""

    def has_used_budget(self) -> bool:
        """Whether this step has used its budget; the run then continues after a pause."""

    def seed_for(self, visit: str) -> str:
        """Return what random values of a visit are derived from."""


def advance(frame: Frame, node: Node, turn: Turn) -> Frame:
    """Advance every inner flow, and start as many as the concurrency allows.

    Raises:
        StateError: the input of an item cannot be evaluated.
    """
    within = frame.within
    if within is None:
        return frame
    frames, results, failures = dict(within.frames), dict(within.results), dict(within.failures)
    following, private = within.following, list(within.private)
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
                    private += ((index, *place) for place in inner.private)
                else:
                    failures[index] = inner.failure
        if _is_over(node, within.count, len(failures)) or following >= within.count or len(frames) >= room:
            break
        if turn.has_used_budget():
            break
        waiting = [following]
        frames[following] = _start_frame(frame, node, following, turn)
        following += 1
    ended = len(results) + len(failures) != len(within.results) + len(within.failures)
    if not ended and following == within.following and all(one is within.frames[at] for at, one in frames.items()):
        return frame
    after = replace(
        within, frames=frames, results=results, failures=failures, following=following, private=tuple(private)
    )
    return replace(frame, within=after)


def combine_results(frame: Frame, node: Node) -> Failure | list[Any] | None:
    """Return the results in order, or the failure of the state; None while it continues."""
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


def cancel_effects(frame: Frame) -> Iterator[CancelAction]:
    """Yield the effects that cancel every running action in a frame."""
    for one in frame.walk():
        if one.acting is not None:
            yield CancelAction(one.acting)


def program_of(node: Node, index: int) -> Program:
    """Return the program of a branch or of an item."""
    return node.inner[index if isinstance(node.state, words.ParallelState) else 0]


def _room(node: Node, within: InnerFrames) -> int:
    most = node.state.max_concurrency if isinstance(node.state, words.MapState) else within.count
    return most or AT_ONCE


def _is_over(node: Node, count: int, failed: int) -> bool:
    """Whether too many branches or items failed."""
    if not isinstance(node.state, words.MapState) or not _tolerates(node):
        return failed > 0
    most, percentage = node.state.tolerated_failure_count, node.state.tolerated_failure_percentage
    return (most is not None and failed > most) or (percentage is not None and failed * 100 > count * percentage)


def _tolerates(node: Node) -> bool:
    """Whether failures are tolerated; if not, the state fails with the first failure."""
    state = node.state
    return isinstance(state, words.MapState) and bool(
        state.tolerated_failure_count or state.tolerated_failure_percentage
    )


def _start_frame(frame: Frame, node: Node, index: int, turn: Turn) -> Frame:
    program = program_of(node, index)
    inline = frame.inline or (isinstance(node.state, words.MapState) and node.state.inline)
    given = _input_of(frame, node, index, turn)
    place = f"{frame.visit}.{index}."
    return Frame(at=program.start_at, data=given.value, place=place, inline=inline, private=given.private)


def _input_of(frame: Frame, node: Node, index: int, turn: Turn) -> Evaluated:
    scope = turn.scope(frame)
    seed = turn.seed_for(f"{frame.visit}.{index}")
    if not isinstance(node.state, words.MapState):
        if isinstance(node.given, ParameterTemplate):
            return node.given.evaluate(scope, seed)
        if node.given is None:
            return Evaluated(frame.data, frame.private)
        return Evaluated(*node.given.read_private(scope))
    items, private = items_of(node, scope)
    of_the_item = places_below(private, (index,))
    if not isinstance(node.given, ParameterTemplate):
        return Evaluated(items[index], of_the_item)
    return node.given.evaluate(scope.with_item({"Index": index, "Value": items[index]}, of_the_item), seed)
