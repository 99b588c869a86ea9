"""A definition ready to be run: paths, expressions and rules are read, and the graph is whole; runs nothing.

What is wrong is collected with the path to it (reference section 2.17), so that a user can mend all of it at once.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from taskaction.flows import definition as words
from taskaction.flows.choice import timestamp
from taskaction.flows.errors import ALL, ExpressionError, Problem, below
from taskaction.flows.parameters import Parameters, parameters
from taskaction.flows.paths import Path, path, reference_path, result_path
from taskaction.flows.rules import Rule, rule

SCHEMES = ("https://", "http://", "taskaction://")
_BASE_URL = re.compile(r"https?://[^\s?#/][^\s?#]*")
TARGETS = ("provider", "cluster-provider", "executor")


@dataclass(frozen=True, slots=True, eq=False)
class Handling:
    """A ``Catch`` entry: the errors it is for, where the run goes on, and where the error is put."""

    errors: frozenset[str]
    next: str
    result_path: Path | None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One state, ready to be run.

    Attributes:
        given: what the state is given: a path into the state of the flow, parameters, or None for all of it.
        result_path: where its result goes; None where it is discarded.
        until: the constant time that a Wait waits for; ``until_path`` where the state of the flow says so.
        error, cause: what a Fail ends with: texts or paths.
        inner: the programs of branches, or of what is done with each item.
    """

    name: str
    state: words.AnyState
    next: str | None = None
    given: Path | Parameters | None = None
    result_path: Path | None = None
    catch: tuple[Handling, ...] = ()
    rules: tuple[Rule, ...] = ()
    default: str | None = None
    until: datetime | None = None
    until_path: Path | None = None
    error: str | Path | None = None
    cause: str | Path | None = None
    items_path: Path | None = None
    inner: tuple["Program", ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A flow, a branch, or what is done with each item."""

    start_at: str
    nodes: Mapping[str, Node]


@dataclass(frozen=True, slots=True, eq=False)
class FlowProgram(Program):
    """A whole flow."""

    timeout_seconds: int = words.YEAR


def compiled(document: Any) -> FlowProgram | tuple[Problem, ...]:
    """Read a whole definition; give everything that is wrong with it where it cannot be run."""
    found = words.read(document)
    if isinstance(found, tuple):
        return found
    reader = _Reader()
    program = reader.program(found, "$")
    if reader.problems:
        return tuple(reader.problems)
    return FlowProgram(program.start_at, program.nodes, found.timeout_seconds)


@dataclass
class _Reader:
    problems: list[Problem] = field(default_factory=list)

    def program(self, flow: words.Flow, place: str) -> Program:
        nodes = {name: self._node(name, state, below(f"{place}.States", name)) for name, state in flow.states.items()}
        self._check_graph(flow.start_at, nodes, place)
        return Program(flow.start_at, nodes)

    def _check_graph(self, start_at: str, nodes: Mapping[str, Node], place: str) -> None:
        known = ", ".join(sorted(nodes)[:20])
        if start_at not in nodes:
            self._say(f"{place}.StartAt", f"there is no state {start_at!r}; there are {known}")
            return
        reached, waiting = {start_at}, [start_at]
        while waiting:
            node = nodes[waiting.pop()]
            here = below(f"{place}.States", node.name)
            for where, target in _targets(node):
                if target not in nodes:
                    self._say(f"{here}.{where}", f"there is no state {target!r}; there are {known}")
                elif target not in reached:
                    reached.add(target)
                    waiting.append(target)
        for name in sorted(nodes.keys() - reached):
            self._say(below(f"{place}.States", name), "is never reached: lead to it by a Next, or remove it")

    def _node(self, name: str, state: words.AnyState, place: str) -> Node:
        node = Node(name=name, state=state, next=state.next if isinstance(state, words.Going) else None)
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
                given = parameters(state.parameters, f"{place}.Parameters", self.problems)
                return Node(
                    name=name,
                    state=state,
                    next=node.next,
                    given=given,
                    result_path=self._result(state.result_path, place),
                )
            case _:
                return self._working(node, state, place)

    def _working(self, node: Node, state: words.Working, place: str) -> Node:
        given: Path | Parameters | None = None
        if state.input_path is not None:
            given = self._any_path(state.input_path, place, "InputPath")
        elif state.parameters is not None:
            given = parameters(state.parameters, f"{place}.Parameters", self.problems)
        inner: tuple[Program, ...] = ()
        items_path = None
        match state:
            case words.ParallelState():
                inner = tuple(
                    self.program(branch, f"{place}.Branches[{number}]") for number, branch in enumerate(state.branches)
                )
            case words.MapState():
                inner = (self.program(state.item_processor, f"{place}.ItemProcessor"),)
                items_path = self._path(state.items_path, place, "ItemsPath")
                if state.item_selector is not None:
                    given = parameters(state.item_selector, f"{place}.ItemSelector", self.problems)
            case words.ActionState():
                self._check_url(state, place)
        return Node(
            name=node.name,
            state=node.state,
            next=node.next,
            given=given,
            result_path=self._result(state.result_path, place),
            catch=tuple(self._catch(state, place)),
            items_path=items_path,
            inner=inner,
        )

    def _waiting(self, node: Node, state: words.WaitState, place: str) -> Node:
        until, until_path = None, None
        if state.timestamp is not None:
            until = timestamp(state.timestamp)
            if until is None:
                self._say(f"{place}.Timestamp", "must be an RFC 3339 time such as 2026-01-31T12:00:00Z")
        elif state.timestamp_path is not None:
            until_path = self._path(state.timestamp_path, place, "TimestampPath")
        elif state.seconds_path is not None:
            until_path = self._path(state.seconds_path, place, "SecondsPath")
        return Node(name=node.name, state=state, next=node.next, until=until, until_path=until_path)

    def _rules(self, state: words.ChoiceState, place: str) -> Iterator[Rule]:
        for number, written in enumerate(state.choices):
            found = rule(written, f"{place}.Choices[{number}]", self.problems)
            if found is not None:
                yield found

    def _catch(self, state: words.Working, place: str) -> Iterator[Handling]:
        if not isinstance(state, words.Failing):
            return
        entries: list[tuple[str, words.Catcher | words.Retrier]] = [("Catch", one) for one in state.catch]
        entries += [("Retry", one) for one in state.retry]
        for kind, entry in entries:
            if ALL in entry.error_equals and len(entry.error_equals) > 1:
                self._say(f"{place}.{kind}", f"{ALL} must stand alone")
        for number, entry in enumerate(state.catch):
            where = f"{place}.Catch[{number}]"
            yield Handling(frozenset(entry.error_equals), entry.next, self._result(entry.result_path, where))

    def _check_url(self, state: words.ActionState, place: str) -> None:
        where = f"{place}.{'Handler.Url' if state.handler is not None else 'ActionUrl'}"
        if not state.url.startswith(SCHEMES):
            self._say(where, f"must start with {', '.join(SCHEMES)}")
        elif state.url.startswith(SCHEMES[2]):
            target, _, name = state.url.removeprefix(SCHEMES[2]).partition("/")
            if target not in TARGETS or not name:
                self._say(where, "must be taskaction://provider/NAME, ://cluster-provider/NAME or ://executor/NAME")
        elif not _BASE_URL.fullmatch(state.url):
            self._say(where, "must be a base URL: a host, and no blanks, ? or #")

    def _result(self, text: str | None, place: str) -> Path | None:
        return None if text is None else self._read(result_path, text, f"{place}.ResultPath")

    def _path(self, text: str, place: str, name: str) -> Path | None:
        return self._read(reference_path, text, f"{place}.{name}")

    def _any_path(self, text: str, place: str, name: str) -> Path | None:
        return self._read(path, text, f"{place}.{name}")

    def _read(self, read: Any, text: str, place: str) -> Path | None:
        try:
            found: Path = read(text)
        except ExpressionError as error:
            self._say(place, str(error))
            return None
        return found

    def _say(self, place: str, message: str) -> None:
        self.problems.append(Problem(place, message))


def _targets(node: Node) -> Iterator[tuple[str, str]]:
    """Give the states that may follow, each with where it is named."""
    if node.next is not None:
        yield "Next", node.next
    for number, one in enumerate(node.rules):
        yield f"Choices[{number}].Next", one.next
    if node.default is not None:
        yield "Default", node.default
    for number, handling in enumerate(node.catch):
        yield f"Catch[{number}].Next", handling.next
