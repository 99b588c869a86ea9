"""``Parameters``: JSON in which ``.$`` and ``.=`` keys are evaluated, at any depth; parsed once, evaluated often.

``__Private_Parameters`` lists sibling properties that are passed to the action but never shown; the list itself is not
passed on. See docs/flows-language.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from taskaction.flows.errors import ExpressionError, Problem, RunTimeError, child_path
from taskaction.flows.expressions import Expression, parse_expression
from taskaction.flows.paths import Path, parse_path
from taskaction.flows.privacy import Place, Places
from taskaction.flows.scope import EvaluationScope

PRIVATE = "__Private_Parameters"
MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Values of parameters, and the places of private parts."""

    value: Any
    private: Places = ()


@dataclass(frozen=True, slots=True, eq=False)
class ObjectPart:
    """Object with parts that are evaluated; ``private`` are the names of those that are never shown."""

    items: tuple[tuple[str, Any], ...]
    private: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class ListPart:
    """List with parts that are evaluated."""

    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ConstantPart:
    """Value that contains nothing to evaluate."""

    value: Any


Part = ObjectPart | ListPart | ConstantPart | Path | Expression


@dataclass(frozen=True, slots=True, eq=False)
class ParameterTemplate:
    """Parsed parameters."""

    part: Part

    def evaluate(self, scope: EvaluationScope, seed: str) -> Evaluated:
        """Return the values for one state of the flow; the same state and seed produce the same values.

        Raises:
            RunTimeError: a path or an expression cannot be evaluated.
        """
        private: list[Place] = []
        value = _evaluate(self.part, scope, seed, (), private)
        return Evaluated(value, tuple(dict.fromkeys(private)))


def parse_parameters(document: Any, place: str, problems: list[Problem]) -> ParameterTemplate:
    """Parse parameters; problems are appended to ``problems``, with ``place`` as the path to the document."""
    return ParameterTemplate(_read(document, place, problems, 0))


def _read(document: Any, place: str, problems: list[Problem], depth: int) -> Part:
    if depth > MAX_DEPTH:
        problems.append(Problem(place, f"is nested more than {MAX_DEPTH} deep"))
        return ConstantPart(None)
    if isinstance(document, list):
        parts = tuple(_read(one, f"{place}[{index}]", problems, depth + 1) for index, one in enumerate(document))
        constant = all(isinstance(part, ConstantPart) for part in parts)
        return ConstantPart(document) if constant else ListPart(parts)
    if not isinstance(document, Mapping):
        return ConstantPart(document)
    items: dict[str, Part] = {}
    for key, value in document.items():
        if key == PRIVATE:
            continue
        name, part = _item(key, value, child_path(place, key), problems, depth)
        if name in items:
            problems.append(Problem(child_path(place, key), f"{name!r} is set twice; keep one of the forms"))
        items[name] = part
    private = _private(document.get(PRIVATE, []), items, child_path(place, PRIVATE), problems)
    if not private and all(isinstance(part, ConstantPart) for part in items.values()):
        return ConstantPart({name: part.value for name, part in items.items() if isinstance(part, ConstantPart)})
    return ObjectPart(tuple(items.items()), private)


def _item(key: str, value: Any, place: str, problems: list[Problem], depth: int) -> tuple[str, Part]:
    read: Callable[[str], Path | Expression]
    if key.endswith(".$"):
        read, form = parse_path, "a path such as $.name"
    elif key.endswith(".="):
        read, form = parse_expression, "an expression such as \"name + '.txt'\""
    else:
        return key, _read(value, place, problems, depth + 1)
    name = key[:-2]
    if not isinstance(value, str):
        problems.append(Problem(place, f"must be {form}"))
        return name, ConstantPart(None)
    try:
        return name, read(value)
    except ExpressionError as error:
        problems.append(Problem(place, str(error)))
        return name, ConstantPart(None)


def _private(names: Any, items: Mapping[str, Any], place: str, problems: list[Problem]) -> frozenset[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        problems.append(Problem(place, "must be a list of names"))
        return frozenset()
    plain = {name: name if name in items else name.removesuffix(".$").removesuffix(".=") for name in names}
    problems += [
        Problem(place, f"property {name!r} not found next to it") for name in names if plain[name] not in items
    ]
    return frozenset(plain.values())


def _evaluate(part: Part, scope: EvaluationScope, seed: str, place: Place, private: list[Place]) -> Any:
    match part:
        case ConstantPart(value):
            return value
        case Path():
            value, found = part.read_private(scope)
            private += [(*place, *one) for one in found]
            return value
        case Expression():
            private += [place] if part.is_private(scope) else []
            return part.evaluate(scope, f"{seed}/{'/'.join(map(str, place))}")
        case ListPart(items):
            return [_evaluate(one, scope, seed, (*place, index), private) for index, one in enumerate(items)]
        case ObjectPart(items, hidden):
            private += [(*place, name) for name, _ in items if name in hidden]
            return {
                name: _hidden(one, scope, seed, (*place, name), private)
                if name in hidden
                else _evaluate(one, scope, seed, (*place, name), private)
                for name, one in items
            }


def _hidden(part: Part, scope: EvaluationScope, seed: str, place: Place, private: list[Place]) -> Any:
    """Evaluate a private value, and hide the text of errors, which could show it."""
    try:
        return _evaluate(part, scope, seed, place, private)
    except RunTimeError as error:
        name = ".".join(map(str, place))
        raise RunTimeError(f"the private parameter {name} cannot be evaluated", error.also) from None
