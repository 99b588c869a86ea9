"""Parallel and Map: flows within a state, their concurrency and their results (extension)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from taskaction.flows import definition as words
from taskaction.flows.effects import CancelAction
from taskaction.flows.errors import TOO_MANY_FAILURES, RunTimeError
from taskaction.flows.parameters import Evaluated, ParameterTemplate
from taskaction.flows.privacy import places_below
from taskaction.flows.program import Node, Program
from taskaction.flows.scope import EvaluationScope
from taskaction.flows.state import Failure, Frame, InnerFrames, MapLimits
from taskaction.flows.values import items_of, map_scope

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
        if _is_over(node, within, len(failures)) or following >= within.count or len(frames) >= room:
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
    if _is_over(node, within, len(failures)):
        first = failures[min(failures)]
        if not _tolerates(_limits(node, within)):
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


def read_limits(node: Node, scope: EvaluationScope) -> MapLimits | None:
    """Return the limits of a Map, if some of them are in the state of the flow.

    Raises:
        RunTimeError: a limit does not exist, or is not a number in its range.
    """
    if not isinstance(node.state, words.MapState) or not node.limit_paths:
        return None
    given = _constant_limits(node.state)
    found: dict[str, Any] = {}
    for name, (field, kind, largest) in _LIMITS.items():
        path = node.limit_paths.get(name)
        if path is None:
            continue
        value = path.read(scope)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= largest or (kind == _WHOLE and value % 1):
            raise RunTimeError(f"{path.text} is not a {kind} from 0 to {largest}, which {name} requires")
        found[field] = value if value % 1 else int(value)
    return replace(given, **found)


_WHOLE = "whole number"
_LIMITS: Mapping[str, tuple[str, str, int]] = {
    "MaxConcurrencyPath": ("concurrency", _WHOLE, words.MAX_CONCURRENCY),
    "ToleratedFailureCountPath": ("count", _WHOLE, 2**63 - 1),
    "ToleratedFailurePercentagePath": ("percentage", "number", 100),
}
"""Fields of a Map that are paths to a limit, with the limit, its kind and its largest value."""


def _limits(node: Node, within: InnerFrames) -> MapLimits:
    if within.limits is not None:
        return within.limits
    return _constant_limits(node.state) if isinstance(node.state, words.MapState) else MapLimits()


def _constant_limits(state: words.MapState) -> MapLimits:
    return MapLimits(
        concurrency=state.max_concurrency,
        count=state.tolerated_failure_count,
        percentage=state.tolerated_failure_percentage,
    )


def _room(node: Node, within: InnerFrames) -> int:
    most = _limits(node, within).concurrency if isinstance(node.state, words.MapState) else within.count
    return most or AT_ONCE


def _is_over(node: Node, within: InnerFrames, failed: int) -> bool:
    """Whether too many branches or items failed."""
    limits = _limits(node, within)
    if not _tolerates(limits):
        return failed > 0
    most, percentage = limits.count, limits.percentage
    return (most is not None and failed > most) or (percentage is not None and failed * 100 > within.count * percentage)


def _tolerates(limits: MapLimits) -> bool:
    """Whether failures are tolerated; if not, the state fails with the first failure."""
    return bool(limits.count or limits.percentage)


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
    scope = map_scope(node, scope)
    items, private = items_of(node, scope)
    scope.budget.charge(len(private))
    of_the_item = places_below(private, (index,))
    if not isinstance(node.given, ParameterTemplate):
        return Evaluated(items[index], of_the_item)
    return node.given.evaluate(scope.with_item({"Index": index, "Value": items[index]}, of_the_item), seed)
