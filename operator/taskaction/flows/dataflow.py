"""Data flow of a definition: finds reads and writes that fail whenever they are reached.

The state of the flow before each state is followed as a shape (``flows.shapes``), along every path and around every
loop. What a shape cannot have, no run has; what an action, a person or the input of a run provides can be anything.
A problem is reported only where it is certain that no entry of the state, or no item of a Map, can succeed.
"""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from taskaction.flows import definition as words
from taskaction.flows.choice import IS_PRESENT, ValueComparison
from taskaction.flows.errors import Problem, child_path
from taskaction.flows.knowledge import OWN_CONTEXT, Knowledge, absence_message
from taskaction.flows.parameters import ParameterTemplate
from taskaction.flows.paths import Path
from taskaction.flows.program import FlowProgram, Node, Program, next_states
from taskaction.flows.rules import Combination, Condition, Negation
from taskaction.flows.shapes import (
    ANY,
    OBJECT,
    STRING,
    JsonType,
    Shape,
    constant_of,
    items_of,
    join,
    list_of,
    object_of,
)

MAX_STEPS = 3_000
"""Number of followed states above which a definition is not checked further, such as for loops within loops."""

MAX_VISITS = 4
"""How often a state is followed before the shape of a loop that still grows counts as unknown."""

_ERROR = object_of({"Error": STRING, "Cause": STRING}, is_open=True)
_TOLERATED = object_of({"Error": STRING, "Cause": ANY})
_STATUS = object_of({"state_name": STRING}, is_open=True)
_QUESTION = object_of({"web_input_id": STRING, "state_name": STRING})
_LISTS = frozenset({JsonType.LIST})
_NUMBERS = frozenset({JsonType.NUMBER})
_STRINGS = frozenset({JsonType.STRING})


def find_certain_failures(
    program: FlowProgram, given: Shape = OBJECT, context: Shape = OWN_CONTEXT
) -> tuple[Problem, ...]:
    """Return the reads and writes of a flow that can never succeed with an input and a context of some shapes."""
    try:
        return _Analysis(context).follow(program, "$", given).problems
    except _TooManyStepsError:
        return ()


class _TooManyStepsError(Exception):
    """The definition is too costly to be followed."""


@dataclass(frozen=True, slots=True)
class _Followed:
    """Result of following a flow: what it returns, None if it cannot end successfully, and its problems."""

    output: Shape | None
    problems: tuple[Problem, ...]


@dataclass
class _Analysis:
    """Analysis of one definition, with the flows within its states."""

    context: Shape
    steps: int = 0
    followed: dict[Program, tuple[Shape, _Followed]] = field(default_factory=dict)

    def follow(self, program: Program, place: str, given: Shape) -> _Followed:
        """Follow a flow from the shape of its first state of the flow."""
        kept = self.followed.get(program)
        if kept is not None and kept[0] == given:
            return kept[1]
        problems: list[Problem] = []
        outputs: list[Shape] = []
        for ways, found in self._visits(program, place, given):
            problems += found
            outputs += [shape for target, shape in ways if target is None]
        result = _Followed(join(*outputs) if outputs else None, tuple(problems))
        self.followed[program] = given, result
        return result

    def _visits(self, program: Program, place: str, given: Shape) -> "list[_Visit]":
        """Return the last visit of each reachable state, with the final shape before it.

        States are visited in an order in which, loops apart, each comes after those that lead to it.
        """
        names = _order(program)
        numbers = {name: number for number, name in enumerate(names)}
        shapes = {program.start_at: given}
        last: dict[str, _Visit] = {}
        visits: Counter[str] = Counter()
        waiting = [numbers[program.start_at]]
        while waiting:
            name = names[heapq.heappop(waiting)]
            visits[name] += 1
            last[name] = self._visit(program.nodes[name], place, shapes[name])
            for target, shape in last[name][0]:
                if target is None:
                    continue
                before = shapes.get(target)
                after = shape if before is None else join(before, shape)
                if visits[target] >= MAX_VISITS or not after.is_small:
                    after = ANY
                if after == before:
                    continue
                shapes[target] = after
                if numbers[target] not in waiting:
                    heapq.heappush(waiting, numbers[target])
        return [last[name] for name in names if name in last]

    def _visit(self, node: Node, place: str, data: Shape) -> "_Visit":
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _TooManyStepsError
        known = Knowledge(data, self.context)
        ways = list(self._ways(node, child_path(f"{place}.States", node.name), known))
        return ways, known.problems

    def _ways(self, node: Node, here: str, known: Knowledge) -> "Iterator[_Way]":
        """Yield the next states, None for the end, each with the shape that it gets."""
        match node.state:
            case words.ChoiceState():
                _check_rules(node, here, known)
                yield from ((target, known.data) for _, target in next_states(node.state))
                return
            case words.FailState():
                for source, name in ((node.error, "ErrorPath"), (node.cause, "CausePath")):
                    if isinstance(source, Path):
                        known.read(source, f"{here}.{name}", _STRINGS if name == "ErrorPath" else frozenset(JsonType))
                return
            case words.WaitState():
                kinds, name = (
                    (_NUMBERS, "SecondsPath") if node.state.seconds_path is not None else (_STRINGS, "TimestampPath")
                )
                known.read(node.until_path, f"{here}.{name}", kinds)
                yield node.next, known.data
                return
        result = self._result(node, here, known)
        yield node.next, _write(node.result_path, result, here, known)
        for number, handler in enumerate(node.catch):
            yield handler.next, _write(handler.result_path, _ERROR, f"{here}.Catch[{number}]", known)

    def _result(self, node: Node, here: str, known: Knowledge) -> Shape:
        state = node.state
        if isinstance(state, words.MapState):
            return self._mapped(node, state, here, known)
        if isinstance(state, words.PassState) and "result" in state.model_fields_set:
            return constant_of(state.result)
        given = _input(node, here, known)
        if isinstance(state, words.ParallelState):
            programs = enumerate(node.inner)
            return list_of([self._inner(one, f"{here}.Branches[{number}]", given, known) for number, one in programs])
        if isinstance(state, words.PassState | words.ExpressionEvalState):
            return given
        return _QUESTION if state.type == "CreateWebInput" else _STATUS

    def _mapped(self, node: Node, state: words.MapState, here: str, known: Knowledge) -> Shape:
        if node.input_path is not None:
            known = known.with_data(known.read(node.input_path, f"{here}.InputPath"))
        items = known.read(node.items_path, f"{here}.ItemsPath", _LISTS)
        for name, path in node.limit_paths.items():
            known.read(path, f"{here}.{name}", _NUMBERS)
        if items.length == 0:
            return items
        given = items.item or ANY
        if isinstance(node.given, ParameterTemplate):
            given = known.with_item(given).evaluate(node.given, f"{here}.ItemSelector")
        output = self._inner(node.inner[0], f"{here}.ItemProcessor", given, known)
        return items_of(join(output, _TOLERATED) if _tolerates(state) else output)

    def _inner(self, program: Program, place: str, given: Shape, known: Knowledge) -> Shape:
        followed = self.follow(program, place, given)
        known.problems += followed.problems
        return followed.output or ANY


_Way = tuple[str | None, Shape]
"""A next state, None for the end, and the shape of the state of the flow that it gets."""

_Visit = tuple[list[_Way], list[Problem]]
"""The ways out of a state, and the problems of its reads and writes."""


def _order(program: Program) -> list[str]:
    """Return the names of the reachable states; without loops, each is after all those that lead to it."""
    finished: list[str] = []
    seen = {program.start_at}
    stack = [(program.start_at, _targets(program, program.start_at))]
    while stack:
        name, ways = stack[-1]
        target = next((target for target in ways if target not in seen), None)
        if target is None:
            finished.append(name)
            stack.pop()
        else:
            seen.add(target)
            stack.append((target, _targets(program, target)))
    return finished[::-1]


def _targets(program: Program, name: str) -> Iterator[str]:
    return (target for _, target in next_states(program.nodes[name].state) if target is not None)


def _input(node: Node, here: str, known: Knowledge) -> Shape:
    if isinstance(node.given, ParameterTemplate):
        return known.evaluate(node.given, f"{here}.Parameters")
    return known.data if node.given is None else known.read(node.given, f"{here}.InputPath")


def _write(path: Path | None, value: Shape, here: str, known: Knowledge) -> Shape:
    if path is None:
        return known.data
    written = known.data.written(path.steps or (), value)
    if written is None:
        known.add(f"{here}.ResultPath", f"{path.text} can never be written: a value on the way is no object or list")
    return written or ANY


def _tolerates(state: words.MapState) -> bool:
    limits = (state.tolerated_failure_count, state.tolerated_failure_percentage, state.limit_paths)
    return any(limits)


def _check_rules(node: Node, here: str, known: Knowledge) -> None:
    """Record the first rule whose evaluation always fails, unless a rule before it may hold."""
    for number, rule in enumerate(node.rules):
        verdict = _verdict(rule.condition, known)
        if isinstance(verdict, str):
            known.add(f"{here}.Choices[{number}]", verdict)
        if verdict is not False:
            return


def _verdict(condition: Condition, known: Knowledge) -> bool | str | None:
    """Return the result of a condition if it is certain, the reason if its evaluation always fails, otherwise None."""
    match condition:
        case Negation():
            inner = _verdict(condition.condition, known)
            return not inner if isinstance(inner, bool) else inner
        case Combination():
            for one in condition.conditions:
                verdict = _verdict(one, known)
                if verdict is not condition.all:
                    return verdict
            return condition.all
        case ValueComparison():
            return _verdict_of_comparison(condition, known)


def _verdict_of_comparison(comparison: ValueComparison, known: Knowledge) -> bool | str | None:
    for path in (comparison.variable, comparison.operand):
        why = known.explain_absence(path.steps) if isinstance(path, Path) and path.steps is not None else None
        if why is not None and comparison.operator == IS_PRESENT:
            return not comparison.operand
        if why is not None:
            return absence_message(path, why)
    return None
