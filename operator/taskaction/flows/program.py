"""Compiled definition: paths, expressions and rules are parsed, and transitions are checked.

All problems are collected with their paths, so that a user can fix all of them at once.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from taskaction.core.urls import check_url
from taskaction.flows import definition as words
from taskaction.flows.choice import parse_timestamp
from taskaction.flows.errors import ALL, ExpressionError, Problem, child_path
from taskaction.flows.parameters import ParameterTemplate, parse_parameters
from taskaction.flows.paths import Path, parse_path, parse_reference_path, parse_result_path
from taskaction.flows.rules import Rule, parse_rule

SCHEMES = ("https://", "http://", "taskaction://")
_BASE_URL = re.compile(r"https?://[^\s?#/][^\s?#]*")
TARGETS = ("provider", "cluster-provider", "executor")


@dataclass(frozen=True, slots=True, eq=False)
class CatchHandler:
    """A ``Catch`` entry: its errors, the next state, and the place of the error."""

    errors: frozenset[str]
    next: str
    result_path: Path | None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A compiled state.

    Attributes:
        given: the input: a path into the state of the flow, parameters, or None for the whole state.
        result_path: the place of the result; None if it is discarded.
        until: the constant time of a Wait; ``until_path`` if the time is in the state of the flow.
        error, cause: the error of a Fail: texts or paths.
        input_path: the input of a Map; ``items_path`` and ``limit_paths``, by field, are paths into it.
        inner: the programs of the branches, or of the items.
    """

    name: str
    state: words.AnyState
    next: str | None = None
    given: Path | ParameterTemplate | None = None
    result_path: Path | None = None
    catch: tuple[CatchHandler, ...] = ()
    rules: tuple[Rule, ...] = ()
    default: str | None = None
    until: datetime | None = None
    until_path: Path | None = None
    error: str | Path | None = None
    cause: str | Path | None = None
    input_path: Path | None = None
    items_path: Path | None = None
    limit_paths: Mapping[str, Path] = field(default_factory=dict)
    inner: tuple["Program", ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Program of a flow, a branch or an item."""

    start_at: str
    nodes: Mapping[str, Node]


@dataclass(frozen=True, slots=True, eq=False)
class FlowProgram(Program):
    """Program of a whole flow."""

    timeout_seconds: int = words.YEAR


def compile_definition(document: Any) -> FlowProgram | tuple[Problem, ...]:
    """Compile a whole definition; return all problems if it is not valid."""
    found = words.parse_definition(document)
    if isinstance(found, tuple):
        return found
    reader = _Compiler()
    program = reader.program(found, "$")
    if reader.problems:
        return tuple(reader.problems)
    return FlowProgram(program.start_at, program.nodes, found.timeout_seconds)


def find_problems(document: Any) -> tuple[Problem, ...]:
    """Return why a definition cannot be compiled, as a value that another process can return."""
    found = compile_definition(document)
    return () if isinstance(found, FlowProgram) else found


@dataclass
class _Compiler:
    problems: list[Problem] = field(default_factory=list)

    def program(self, flow: words.Flow, place: str) -> Program:
        nodes = {
            name: self._node(name, state, child_path(f"{place}.States", name)) for name, state in flow.states.items()
        }
        self._check_graph(flow.start_at, nodes, place)
        return Program(flow.start_at, nodes)

    def _check_graph(self, start_at: str, nodes: Mapping[str, Node], place: str) -> None:
        known = ", ".join(sorted(nodes)[:20])
        if start_at not in nodes:
            self._add_problem(f"{place}.StartAt", f"unknown state {start_at!r}; use one of {known}")
        targets: dict[str, set[str]] = {name: set() for name in nodes}
        is_whole = start_at in nodes
        for name, node in nodes.items():
            for where, target in next_states(node.state):
                if target is not None and target in nodes:
                    targets[name].add(target)
                    continue
                is_whole = False
                if target is not None:  # otherwise it is a problem of its rule
                    here = f"{child_path(f'{place}.States', name)}.{where}"
                    self._add_problem(here, f"unknown state {target!r}; use one of {known}")
        if is_whole:  # otherwise a state is unreachable only because of another problem
            self._check_reached(start_at, targets, place)

    def _check_reached(self, start_at: str, targets: Mapping[str, set[str]], place: str) -> None:
        reached, waiting = {start_at}, [start_at]
        while waiting:
            following = targets[waiting.pop()] - reached
            reached |= following
            waiting += following
        for name in sorted(targets.keys() - reached):
            self._add_problem(
                child_path(f"{place}.States", name), "unreachable state; refer to it by a Next, or remove it"
            )

    def _node(self, name: str, state: words.AnyState, place: str) -> Node:
        node = Node(name=name, state=state, next=state.next if isinstance(state, words.TransitionState) else None)
        match state:
            case words.ChoiceState():
                rules = tuple(self._rules(state, place))
                return Node(name=name, state=state, rules=rules, default=state.default)
            case words.FailState():
                error = state.error if state.error_path is None else self._path(state.error_path, place, "ErrorPath")
                cause = state.cause if state.cause_path is None else self._path(state.cause_path, place, "CausePath")
                return Node(name=name, state=state, error=error, cause=cause)
            case words.WaitState():
                return self._waiting(node, state, place)
            case words.ExpressionEvalState():
                given = parse_parameters(state.parameters, f"{place}.Parameters", self.problems)
                return Node(
                    name=name,
                    state=state,
                    next=node.next,
                    given=given,
                    result_path=self._result(state.result_path, place),
                )
            case _:
                return self._working(node, state, place)

    def _working(self, node: Node, state: words.DataState, place: str) -> Node:
        given: Path | ParameterTemplate | None = None
        if state.input_path is not None:
            given = self._any_path(state.input_path, place, "InputPath")
        elif state.parameters is not None:
            given = parse_parameters(state.parameters, f"{place}.Parameters", self.problems)
        inner: tuple[Program, ...] = ()
        items_path, input_path = None, None
        limit_paths: dict[str, Path] = {}
        match state:
            case words.ParallelState():
                inner = tuple(
                    self.program(branch, f"{place}.Branches[{number}]") for number, branch in enumerate(state.branches)
                )
            case words.MapState():
                inner = (self.program(state.item_processor, f"{place}.ItemProcessor"),)
                input_path, given = given, None
                items_path = self._path(state.items_path, place, "ItemsPath")
                if state.item_selector is not None:
                    given = parse_parameters(state.item_selector, f"{place}.ItemSelector", self.problems)
                for name, text in state.limit_paths.items():
                    if (path := self._path(text, place, name)) is not None:
                        limit_paths[name] = path
            case words.ActionState():
                self._check_url(state, place)
        return Node(
            name=node.name,
            state=node.state,
            next=node.next,
            given=given,
            result_path=self._result(state.result_path, place),
            catch=tuple(self._catch(state, place)),
            input_path=input_path if isinstance(input_path, Path) else None,
            items_path=items_path,
            limit_paths=limit_paths,
            inner=inner,
        )

    def _waiting(self, node: Node, state: words.WaitState, place: str) -> Node:
        until, until_path = None, None
        if state.timestamp is not None:
            until = parse_timestamp(state.timestamp)
            if until is None:
                self._add_problem(f"{place}.Timestamp", "must be an RFC 3339 time such as 2026-01-31T12:00:00Z")
        elif state.timestamp_path is not None:
            until_path = self._path(state.timestamp_path, place, "TimestampPath")
        elif state.seconds_path is not None:
            until_path = self._path(state.seconds_path, place, "SecondsPath")
        return Node(name=node.name, state=state, next=node.next, until=until, until_path=until_path)

    def _rules(self, state: words.ChoiceState, place: str) -> Iterator[Rule]:
        for number, written in enumerate(state.choices):
            found = parse_rule(written, f"{place}.Choices[{number}]", self.problems)
            if found is not None:
                yield found

    def _catch(self, state: words.DataState, place: str) -> Iterator[CatchHandler]:
        if not isinstance(state, words.CatchingState):
            return
        entries: list[tuple[str, words.Catcher | words.StateRetrier]] = [("Catch", one) for one in state.catch]
        entries += [("Retry", one) for one in state.retry]
        for kind, entry in entries:
            if ALL in entry.error_equals and len(entry.error_equals) > 1:
                self._add_problem(f"{place}.{kind}", f"{ALL} must stand alone")
        for number, entry in enumerate(state.catch):
            where = f"{place}.Catch[{number}]"
            yield CatchHandler(frozenset(entry.error_equals), entry.next, self._result(entry.result_path, where))

    def _check_url(self, state: words.ActionState, place: str) -> None:
        where = f"{place}.{'Handler.Url' if state.handler is not None else 'ActionUrl'}"
        if not state.url.startswith(SCHEMES):
            self._add_problem(where, f"must start with {', '.join(SCHEMES)}")
        elif state.url.startswith(SCHEMES[2]):
            target, _, name = state.url.removeprefix(SCHEMES[2]).partition("/")
            if target not in TARGETS or not name:
                self._add_problem(
                    where, "must be taskaction://provider/NAME, ://cluster-provider/NAME or ://executor/NAME"
                )
        elif not _BASE_URL.fullmatch(state.url):
            self._add_problem(where, "must be a base URL with a host, without spaces, ? or #")
        else:
            try:
                check_url(state.url)
            except ValueError as error:
                self._add_problem(where, str(error))

    def _result(self, text: str | None, place: str) -> Path | None:
        return None if text is None else self._read(parse_result_path, text, f"{place}.ResultPath")

    def _path(self, text: str, place: str, name: str) -> Path | None:
        return self._read(parse_reference_path, text, f"{place}.{name}")

    def _any_path(self, text: str, place: str, name: str) -> Path | None:
        return self._read(parse_path, text, f"{place}.{name}")

    def _read(self, read: Any, text: str, place: str) -> Path | None:
        try:
            found: Path = read(text)
        except ExpressionError as error:
            self._add_problem(place, str(error))
            return None
        return found

    def _add_problem(self, place: str, message: str) -> None:
        self.problems.append(Problem(place, message))


def next_states(state: words.AnyState) -> Iterator[tuple[str, str | None]]:
    """Yield the possible next states of a state, each with the field that names it; None where a rule names none."""
    if isinstance(state, words.ChoiceState):
        for number, rule in enumerate(state.choices):
            following = rule.get("Next")
            yield f"Choices[{number}].Next", following if isinstance(following, str) else None
        if state.default is not None:
            yield "Default", state.default
    if isinstance(state, words.TransitionState) and state.next is not None:
        yield "Next", state.next
    if isinstance(state, words.CatchingState):
        for number, catcher in enumerate(state.catch):
            yield f"Catch[{number}].Next", catcher.next
