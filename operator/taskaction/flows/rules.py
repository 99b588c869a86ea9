"""Rules of Choice states: comparisons, nested in And, Or and Not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taskaction.flows.choice import OPERATORS, ValueComparison, parse_comparison
from taskaction.flows.errors import ExpressionError, Problem, child_path
from taskaction.flows.scope import EvaluationScope

MAX_DEPTH = 20


@dataclass(frozen=True, slots=True, eq=False)
class Combination:
    """Combination of conditions: all of them (And) or any of them (Or)."""

    all: bool
    conditions: tuple["Condition", ...]

    def holds(self, scope: EvaluationScope) -> bool:
        """Whether the combination is true; evaluation stops as soon as the result is known."""
        found = (one.holds(scope) for one in self.conditions)
        return all(found) if self.all else any(found)


@dataclass(frozen=True, slots=True, eq=False)
class Negation:
    """Negation of a condition."""

    condition: "Condition"

    def holds(self, scope: EvaluationScope) -> bool:
        """Whether the condition is false."""
        return not self.condition.holds(scope)


Condition = Combination | Negation | ValueComparison


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Next state of the run if a condition is true."""

    condition: Condition
    next: str


def parse_rule(written: Mapping[str, Any], place: str, problems: list[Problem]) -> Rule | None:
    """Parse one rule of a Choice; return None and add to ``problems`` if it is not valid."""
    following = written.get("Next")
    if not isinstance(following, str):
        problems.append(Problem(f"{place}.Next", "is required: the name of the next state"))
        return None
    rest = {name: value for name, value in written.items() if name not in {"Next", "Comment"}}
    condition = _condition(rest, place, problems, 0)
    return Rule(condition, following) if condition is not None else None


def _condition(written: Any, place: str, problems: list[Problem], depth: int) -> Condition | None:
    if not isinstance(written, Mapping) or depth > MAX_DEPTH:
        problems.append(Problem(place, f"must be an object, nested at most {MAX_DEPTH} deep"))
        return None
    names = sorted(name for name in written if name != "Comment")
    if "Next" in names:
        problems.append(Problem(f"{place}.Next", "only the outermost rule has a Next"))
        return None
    match names:
        case ["And"] | ["Or"]:
            return _several(written[names[0]], names[0], f"{place}.{names[0]}", problems, depth)
        case ["Not"]:
            inner = _condition(written["Not"], f"{place}.Not", problems, depth + 1)
            return Negation(inner) if inner is not None else None
        case _:
            return _comparison(written, names, place, problems)


def _several(written: Any, name: str, place: str, problems: list[Problem], depth: int) -> Condition | None:
    if not isinstance(written, Sequence) or isinstance(written, str) or not written:
        problems.append(Problem(place, "must be a list of at least one rule"))
        return None
    found = [_condition(one, f"{place}[{number}]", problems, depth + 1) for number, one in enumerate(written)]
    return Combination(name == "And", tuple(one for one in found if one is not None))


def _comparison(written: Mapping[str, Any], names: list[str], place: str, problems: list[Problem]) -> Condition | None:
    operators = [name for name in names if name != "Variable"]
    variable = written.get("Variable")
    if not isinstance(variable, str):
        problems.append(Problem(f"{place}.Variable", "is required: a path such as $.name"))
        return None
    if len(operators) != 1:
        found = f"has {', '.join(operators)}" if operators else "has none"
        problems.append(Problem(place, f"requires exactly one operator next to Variable, but {found}"))
        return None
    (operator,) = operators
    if operator not in OPERATORS:
        problems.append(
            Problem(child_path(place, operator), f"unknown operator; use one of {', '.join(sorted(OPERATORS))}")
        )
        return None
    try:
        return parse_comparison(variable, operator, written[operator])
    except ExpressionError as error:
        problems.append(Problem(f"{place}.{operator}", str(error)))
        return None
