"""JSONPath of flows: reads values, and writes values at reference paths; never changes its input.

A definite path returns one value and must match; any other path returns the list of matches. The syntax is RFC 9535 as
implemented by ``python-jsonpath``, which accepts hyphens in names as real flows contain them. Its extensions, such as
regular expressions, are disabled. Paths whose time could be out of proportion to the data (several descents, functions,
queries in filters) are rejected. See docs/flows-language.md.
"""

import re
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

from taskaction.core.names import truncate
from taskaction.flows.errors import (
    PARAMETER_PATH_FAILURE,
    RESULT_PATH_FAILURE,
    ExpressionError,
    RunTimeError,
    quote_text,
)
from taskaction.flows.privacy import Place, Places, is_private, places_below
from taskaction.flows.scope import CONTEXT, EvaluationScope

MAX_MATCHES = 10_000
VISIT_UNITS = 10
"""Cost of visiting one value with a path that may match several values."""

MAX_LENGTH = 1_000
"""Maximum length of a path."""

_UNUSUAL_NAME = re.compile(r"(?<!\.)\.(\d[^.\[\]]*|[^\W\d][^.\[\]]*[^\w\-.\[\]][^.\[\]]*)")
"""A name after a dot that has to be in brackets."""

Step = str | int


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A parsed path.

    Attributes:
        text: the source text.
        steps: the names and indices of a definite path; None if it may match several values.
        in_context: the path begins with ``$._context``, which is not part of the state of the flow.
    """

    text: str
    steps: tuple[Step, ...] | None
    query: JSONPath
    in_context: bool = False

    @property
    def definite(self) -> bool:
        """Whether the path has exactly one place: a Reference Path."""
        return self.steps is not None

    def read(self, scope: EvaluationScope) -> Any:
        """Return the value; see ``read_private``."""
        return self.read_private(scope)[0]

    def read_private(self, scope: EvaluationScope) -> tuple[Any, Places]:
        """Return the value, or the list of values of a path that is not definite, and its private places.

        Raises:
            RunTimeError: a definite path matches nothing, or another path too many values.
        """
        known = scope.private_context if self.in_context else scope.private
        if self.steps is None:
            data = self._root(scope)
            scope.budget.charge(VISIT_UNITS * scope.budget.count_values(data))
            matches = list(islice(self.query.finditer(data), MAX_MATCHES + 1))
            if len(matches) > MAX_MATCHES:
                raise RunTimeError(f"{self.text} matches more than {MAX_MATCHES} values")
            scope.budget.charge(len(known) * len(matches))
            below = [places_below(known, match.parts) for match in matches]
            places = tuple((index, *place) for index, found in enumerate(below) for place in found)
            return [match.obj for match in matches], places
        scope.budget.charge(len(known))
        found = self.find(scope)
        if found is None:
            near = "" if is_private(self.steps) or known else _nearest(self.steps, self._root(scope))
            raise RunTimeError(f"{self.text} does not exist in the state of the flow{near}", PARAMETER_PATH_FAILURE)
        return found[0], places_below(known, self.place(self._root(scope)))

    def place(self, data: Any) -> Place:
        """Return the place of a definite path in ``data``, with indices from the beginning of each list."""
        found: list[str | int] = []
        for step in self.steps or ():
            is_list = isinstance(data, list)
            found.append(step + len(data) if isinstance(step, int) and step < 0 and is_list else step)
            data = data.get(step) if isinstance(data, Mapping) else data[step] if _has_index(data, step) else None
        return tuple(found)

    def find(self, scope: EvaluationScope) -> tuple[Any] | None:
        """Return the value of a definite path, or None."""
        data = self._root(scope)
        for step in self.steps or ():
            if isinstance(step, str):
                if not isinstance(data, Mapping) or step not in data:
                    return None
            elif not isinstance(data, list) or not -len(data) <= step < len(data):
                return None
            data = data[step]
        return (data,)

    def write(self, data: Any, value: Any) -> Any:
        """Return a copy of ``data`` with ``value`` at this place; missing objects are created.

        Raises:
            RunTimeError: a value on the path is not an object, or a list is too short.
        """
        return self._write_at(data, self.steps or (), value)

    def _root(self, scope: EvaluationScope) -> Any:
        return scope.around if self.in_context else scope.data

    def _write_at(self, data: Any, steps: tuple[Step, ...], value: Any) -> Any:
        if not steps:
            return value
        step, rest = steps[0], steps[1:]
        if isinstance(step, str):
            if data is not None and not isinstance(data, Mapping):
                why = f"{step} would be in a value that is no object"
                raise RunTimeError(f"{self.text} cannot be written: {why}", RESULT_PATH_FAILURE)
            below = data or {}
            return {**below, step: self._write_at(below.get(step), rest, value)}
        if not isinstance(data, list) or not -len(data) <= step < len(data):
            raise RunTimeError(f"{self.text} cannot be written: there is no element {step}", RESULT_PATH_FAILURE)
        copy = list(data)
        copy[step] = self._write_at(copy[step], rest, value)
        return copy


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """Parse a path.

    Raises:
        ExpressionError: the text is not a path, or a path that is rejected.
    """
    if text.startswith(("$$", "States.")):
        instead = "$._context describes the run" if text.startswith("$$") else "write an expression, with .= for .$"
        raise ExpressionError(f"{quote_text(text)} is of Amazon States Language: {instead}")
    if not text.startswith("$"):
        raise ExpressionError(f"{quote_text(text)} is no path: it must start with $, for example $.name")
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"the path is longer than {MAX_LENGTH} characters")
    try:
        query = _ENVIRONMENT.compile(text)
    except (JSONPathError, RecursionError, ValueError) as error:
        raise ExpressionError(f"{quote_text(text)} is no path: {_hint(text) or str(error).splitlines()[0]}") from error
    if isinstance(query, CompoundJSONPath):
        raise ExpressionError(f"{quote_text(text)} joins several paths: write one")
    _refuse_costly(text, query)
    steps = _steps(query)
    return Path(text, steps, query, _first_name(query) == CONTEXT)


def parse_reference_path(text: str) -> Path:
    """Parse a path with exactly one place, as in ``ResultPath`` and the operands of rules.

    Raises:
        ExpressionError: the text is not a path, or the path may have several places.
    """
    found = parse_path(text)
    if not found.definite:
        raise ExpressionError(
            f"{quote_text(text)} may match several values: a reference path has names and indices only"
        )
    return found


def parse_result_path(text: str) -> Path:
    """Parse a path to which a result is written.

    Raises:
        ExpressionError: the text is not a reference path, or points into the read-only ``$._context``.
    """
    found = parse_reference_path(text)
    if found.steps and found.steps[0] == CONTEXT:
        raise ExpressionError(f"{quote_text(text)} cannot be written: $.{CONTEXT} is read-only")
    return found


def _hint(text: str) -> str | None:
    """Return how to fix a frequent mistake in a path."""
    if text.endswith("."):
        return "remove the dot at its end, or add a name"
    unusual = _UNUSUAL_NAME.search(text) if "[?" not in text else None
    if unusual is None:
        return None
    name = truncate(unusual[1], 50)
    return f"write ['{name}'] for .{name}, because it begins with a digit or has other characters than a name"


def _environment() -> JSONPathEnvironment:
    environment = JSONPathEnvironment(well_typed=True, strict=True)
    environment.function_extensions.clear()  # match and search accept regular expressions of any cost
    return environment


_ENVIRONMENT = _environment()


def _refuse_costly(text: str, query: JSONPath) -> None:
    descents = sum(isinstance(segment, JSONPathRecursiveDescentSegment) for segment in query.segments)
    filters = [selector for segment in query.segments for selector in segment.selectors if isinstance(selector, Filter)]
    if descents > 1:
        raise ExpressionError(f"{quote_text(text)} descends more than once: use .. once, or write the names")
    if len(filters) > 1 or any(".." in str(one) or "[?" in str(one)[1:] for one in filters):
        raise ExpressionError(
            f"{quote_text(text)} has a filter inside or beside another, or one that descends: use one"
        )
    if any(_looks_around(one.expression) for one in filters):
        raise ExpressionError(
            f"{quote_text(text)} has a filter that looks at more than the value and single others: use @"
        )


def _looks_around(expression: BaseExpression) -> bool:
    """Whether a filter visits the whole document for each value."""
    if isinstance(expression, RootFilterQuery):
        return not expression.path.singular_query()
    sides = (expression.left, expression.right) if isinstance(expression, InfixExpression) else ()
    if sides and all(isinstance(side, RootFilterQuery) for side in sides):
        return True
    return any(_looks_around(child) for child in expression.children())


def _first_name(query: JSONPath) -> str | None:
    """Return the first name of a path, if it is the only one."""
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


def _has_index(data: Any, step: Step) -> bool:
    return isinstance(data, list) and isinstance(step, int) and -len(data) <= step < len(data)


def _nearest(steps: tuple[Step, ...], data: Any) -> str:
    """Return a hint about the place at which the path does not match."""
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
