"""JSONPath as flows use it: reads values, and writes those of reference paths; never changes what it is given.

Reference section 2.6: a definite path gives the bare value and must match; any other gives the list of what matches.
The syntax is RFC 9535's as ``python-jsonpath`` reads it, which takes hyphens in names as real flows have them; its own
extensions, regular expressions among them, are switched off. What could take time out of proportion to the data
(several descents, functions, queries inside filters) is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonpath import CompoundJSONPath, JSONPath, JSONPathEnvironment
from jsonpath.exceptions import JSONPathError
from jsonpath.filter import BaseExpression, InfixExpression, RootFilterQuery
from jsonpath.segments import JSONPathRecursiveDescentSegment
from jsonpath.selectors import Filter, IndexSelector, NameSelector

from taskaction.flows.errors import PARAMETER_PATH_FAILURE, RESULT_PATH_FAILURE, ExpressionError, RunTimeError, quoted
from taskaction.flows.scope import CONTEXT, Scope

MAX_MATCHES = 10_000
VISIT_UNITS = 10
"""What looking at one value costs where a path may match any number of them."""

MAX_LENGTH = 1_000
"""How long a path's text may be."""

Step = str | int


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """One path, ready to be used.

    Attributes:
        text: as it is written.
        steps: the names and indices of a definite path; None where it may match any number of values.
        in_context: it begins with ``$._context``, which is beside the state of the flow.
    """

    text: str
    steps: tuple[Step, ...] | None
    query: JSONPath
    in_context: bool = False

    @property
    def definite(self) -> bool:
        """True when it means exactly one place: a Reference Path."""
        return self.steps is not None

    def read(self, scope: Scope) -> Any:
        """Give the value, or the list of values of a path that is not definite.

        Raises:
            RunTimeError: a definite path matches nothing, or the other kind too much.
        """
        if self.steps is None:
            data = self._root(scope)
            scope.budget.charge(VISIT_UNITS * scope.budget.values(data))
            matches = list(islice(self.query.finditer(data), MAX_MATCHES + 1))
            if len(matches) > MAX_MATCHES:
                raise RunTimeError(f"{self.text} matches more than {MAX_MATCHES} values")
            return [match.obj for match in matches]
        found = self.find(scope)
        if found is None:
            near = "" if _is_private(self.steps) else _nearest(self.steps, self._root(scope))
            raise RunTimeError(f"{self.text} does not exist in the state of the flow{near}", PARAMETER_PATH_FAILURE)
        return found[0]

    def find(self, scope: Scope) -> tuple[Any] | None:
        """Give the value of a definite path, None where there is none."""
        data = self._root(scope)
        for step in self.steps or ():
            if isinstance(step, str):
                if not isinstance(data, Mapping) or step not in data:
                    return None
            elif not isinstance(data, list) or not -len(data) <= step < len(data):
                return None
            data = data[step]
        return (data,)

    def written(self, data: Any, value: Any) -> Any:
        """Give a copy of ``data`` with ``value`` in this place; objects in between are made as needed.

        Raises:
            RunTimeError: something else than an object is in between, or a list is too short.
        """
        return self._written(data, self.steps or (), value)

    def _root(self, scope: Scope) -> Any:
        return scope.around if self.in_context else scope.data

    def _written(self, data: Any, steps: tuple[Step, ...], value: Any) -> Any:
        if not steps:
            return value
        step, rest = steps[0], steps[1:]
        if isinstance(step, str):
            if data is not None and not isinstance(data, Mapping):
                why = f"{step} would be in a value that is no object"
                raise RunTimeError(f"{self.text} cannot be written: {why}", RESULT_PATH_FAILURE)
            below = data or {}
            return {**below, step: self._written(below.get(step), rest, value)}
        if not isinstance(data, list) or not -len(data) <= step < len(data):
            raise RunTimeError(f"{self.text} cannot be written: there is no element {step}", RESULT_PATH_FAILURE)
        copy = list(data)
        copy[step] = self._written(copy[step], rest, value)
        return copy


@lru_cache(maxsize=4096)
def path(text: str) -> Path:
    """Read a path.

    Raises:
        ExpressionError: it is none, or one of a kind that is refused.
    """
    if text.startswith(("$$", "States.")):
        instead = "$._context describes the run" if text.startswith("$$") else "write an expression, with .= for .$"
        raise ExpressionError(f"{quoted(text)} is of Amazon States Language: {instead}")
    if not text.startswith("$"):
        raise ExpressionError(f"{quoted(text)} is no path: it must start with $, for example $.name")
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"the path is longer than {MAX_LENGTH} characters")
    try:
        query = _ENVIRONMENT.compile(text)
    except (JSONPathError, RecursionError, ValueError) as error:
        raise ExpressionError(f"{quoted(text)} is no path: {str(error).splitlines()[0]}") from error
    if isinstance(query, CompoundJSONPath):
        raise ExpressionError(f"{quoted(text)} joins several paths: write one")
    _refuse_costly(text, query)
    steps = _steps(query)
    return Path(text, steps, query, _first_name(query) == CONTEXT)


def reference_path(text: str) -> Path:
    """Read a path that means exactly one place, as ``ResultPath`` and the operands of rules do.

    Raises:
        ExpressionError: it is none, or may mean several places.
    """
    found = path(text)
    if not found.definite:
        raise ExpressionError(f"{quoted(text)} may match several values: a reference path has names and indices only")
    return found


def result_path(text: str) -> Path:
    """Read a path that a result is written to.

    Raises:
        ExpressionError: it is no reference path, or points into the read-only ``$._context``.
    """
    found = reference_path(text)
    if found.steps and found.steps[0] == CONTEXT:
        raise ExpressionError(f"{quoted(text)} cannot be written: $.{CONTEXT} is read-only")
    return found


def _environment() -> JSONPathEnvironment:
    environment = JSONPathEnvironment(well_typed=True, strict=True)
    environment.function_extensions.clear()  # match and search take any regular expression, at any cost
    return environment


_ENVIRONMENT = _environment()


def _refuse_costly(text: str, query: JSONPath) -> None:
    descents = sum(isinstance(segment, JSONPathRecursiveDescentSegment) for segment in query.segments)
    filters = [selector for segment in query.segments for selector in segment.selectors if isinstance(selector, Filter)]
    if descents > 1:
        raise ExpressionError(f"{quoted(text)} descends more than once: use .. once, or write the names")
    if len(filters) > 1 or any(".." in str(one) or "[?" in str(one)[1:] for one in filters):
        raise ExpressionError(f"{quoted(text)} has a filter inside or beside another, or one that descends: use one")
    if any(_looks_around(one.expression) for one in filters):
        raise ExpressionError(f"{quoted(text)} has a filter that looks at more than the value and single others: use @")


def _looks_around(expression: BaseExpression) -> bool:
    """Say whether a filter goes through the whole document for each value that it judges."""
    if isinstance(expression, RootFilterQuery):
        return not expression.path.singular_query()
    sides = (expression.left, expression.right) if isinstance(expression, InfixExpression) else ()
    if sides and all(isinstance(side, RootFilterQuery) for side in sides):
        return True
    return any(_looks_around(child) for child in expression.children())


def _first_name(query: JSONPath) -> str | None:
    """Give the only name that a path begins with."""
    for segment in query.segments[:1]:
        match segment.selectors:
            case (NameSelector() as selector,) if not isinstance(segment, JSONPathRecursiveDescentSegment):
                return str(selector.name)
    return None


def _steps(query: JSONPath) -> tuple[Step, ...] | None:
    if not query.singular_query():
        return None
    steps: list[Step] = []
    for segment in query.segments:
        (selector,) = segment.selectors
        if isinstance(selector, NameSelector):
            steps.append(selector.name)
        elif isinstance(selector, IndexSelector):
            steps.append(selector.index)
        else:
            return None
    return tuple(steps)


def _is_private(steps: tuple[Step, ...]) -> bool:
    return any(str(step).startswith("_private") for step in steps)


def _nearest(steps: tuple[Step, ...], data: Any) -> str:
    """Say what there is where the path ends to match, for the people who mend it."""
    for step in steps:
        if isinstance(step, str) and isinstance(data, Mapping):
            if step not in data:
                names = ", ".join(sorted(str(name) for name in data)[:10]) or "nothing"
                return f": there is no {step!r} beside {names}"
            data = data[step]
        elif isinstance(step, int) and isinstance(data, list) and -len(data) <= step < len(data):
            data = data[step]
        elif isinstance(step, int) and isinstance(data, list):
            return f": the list has {len(data)} elements"
        else:
            return f": {step!r} would be in a value that is no {'object' if isinstance(step, str) else 'list'}"
    return ""
