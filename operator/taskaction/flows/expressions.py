"""Expressions of flows (``.=``): Python's syntax for values, in a sandbox; they only read the state.

The evaluator is simpleeval, as in Globus Flows, with further restrictions: methods are allowed by name, and every
operation is charged (``flows.budget``). See docs/flows-language.md.
"""

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from simpleeval import EvalWithCompoundTypes, InvalidExpression

from taskaction.core.json_values import value_problem
from taskaction.flows.budget import MAX_BITS, Budget, check_format_spec
from taskaction.flows.errors import INTRINSIC_FAILURE, ExpressionError, RunTimeError, quote_text
from taskaction.flows.functions import (
    ALL_METHODS,
    FUNCTIONS,
    NAME_READERS,
    available_functions,
    bounded_method,
    parse_name,
)
from taskaction.flows.paths import Path, parse_path
from taskaction.flows.privacy import Place
from taskaction.flows.reads import possible_reads
from taskaction.flows.scope import EvaluationScope

MAX_LENGTH = 10_000
MAX_DEPTH = 200
"""Maximum nesting of an expression; each operator of a chain such as ``a + b + c`` is one level."""

_QUOTES = frozenset("'\"")
_PRIVATE = "_private"
_CONVERSIONS: Mapping[int, Callable[[Any], Any]] = {
    -1: lambda value: value,
    ord("s"): str,
    ord("r"): repr,
    ord("a"): ascii,
}
_COLLISIONS = 50
"""Number of comparisons for one unit, for keys that are not strings and so may be made to collide."""

_NODES = (
    ast.Expression, ast.Name, ast.Load, ast.Store, ast.Constant, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare,
    ast.IfExp, ast.Call, ast.keyword, ast.Subscript, ast.Attribute, ast.Slice, ast.JoinedStr, ast.FormattedValue,
    ast.Dict, ast.Tuple, ast.List, ast.Starred, ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.comprehension,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or,
    ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Is, ast.IsNot,
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A parsed and checked expression.

    Attributes:
        text: the source text.
        paths: the back-quoted paths, by the names that replace them.
        names: the properties of the state that it reads by name; ``called`` are the functions that it calls.
        reads: the places of the state that it reads; the empty place for any.
    """

    text: str
    tree: ast.expr
    paths: Mapping[str, Path]
    names: frozenset[str]
    called: frozenset[str]
    reads: frozenset[Place] = frozenset()

    def is_private(self, scope: EvaluationScope) -> bool:
        """Whether the value is made from private values."""
        if _PRIVATE in self.text:
            return True
        private = scope.all_private
        if not private:
            return False
        read = (
            *self.reads,
            *(one.place(scope.around if one.in_context else scope.data) for one in self.paths.values()),
        )
        if any(one.steps is None for one in self.paths.values()):
            return True
        scope.budget.charge(len(private) * len(read))
        return any(one[: len(place)] == place or place[: len(one)] == one for one in private for place in read)

    def evaluate(self, scope: EvaluationScope, seed: str) -> Any:
        """Evaluate the expression; the same state and seed produce the same value.

        Raises:
            RunTimeError: the expression cannot be evaluated or is too costly, or its value is not a JSON value.
        """
        try:
            allowed = available_functions(scope, seed) if self.called else {}
            evaluator = _Evaluator(scope, self.paths, allowed)
            return _to_json(scope.budget.check(evaluator.eval(self.text, self.tree)))
        except RunTimeError as error:
            raise self._failure(error.cause, scope, error.also) from error
        except InvalidExpression as error:
            raise self._failure(str(getattr(error, "message", error)), scope) from error
        except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            what = f"{error} not found" if isinstance(error, KeyError) else str(error)
            raise self._failure(what, scope) from error

    def _failure(self, why: str, scope: EvaluationScope, also: str | None = None) -> RunTimeError:
        """Return the error; Python's messages quote values, but private values must not reach a status or a log."""
        if self.is_private(scope):
            why = "evaluation failed; the reason is not shown because it may contain private values"
        return RunTimeError(f"{quote_text(self.text)}: {why}", also or INTRINSIC_FAILURE)


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> Expression:
    """Parse an expression.

    Raises:
        ExpressionError: the text is not an expression, or uses syntax that flows do not support.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"expression longer than {MAX_LENGTH} characters")
    plain, paths = _without_paths(text.strip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # "1 is 1" is odd, but allowed
            tree = ast.parse(plain, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        why = error.msg if isinstance(error, SyntaxError) else "it is nested too deeply"
        raise ExpressionError(f"{quote_text(text)} is not a valid expression: {why}") from error
    nodes = _check_nodes(text, tree)
    functions = [node.func for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    called = frozenset(function.id for function in functions)
    places = {id(function) for function in functions}
    words = [node for node in nodes if isinstance(node, ast.Name) and id(node) not in places]
    bound = {word.id for word in words if isinstance(word.ctx, ast.Store)}
    names = frozenset({word.id for word in words} - bound - paths.keys())
    reads = set(possible_reads(tree)) | ({()} if called & NAME_READERS else set())
    return Expression(text, tree.body, paths, names, called, frozenset(reads))


def _without_paths(text: str) -> tuple[str, dict[str, Path]]:
    """Replace back-quoted paths outside of strings by names."""
    paths: dict[str, Path] = {}
    kept: list[str] = []
    quote, at = "", 0
    while at < len(text):
        sign = text[at]
        if quote:
            if sign == "\\":
                kept.append(text[at : at + 2])
                at += 2
                continue
            quote = "" if sign == quote else quote
        elif sign in _QUOTES:
            quote = sign
        elif sign == "`":
            end = text.find("`", at + 1)
            if end < 0:
                raise ExpressionError(f"{quote_text(text)}: unterminated back-quoted path")
            name = f"_path_{len(paths)}"
            paths[name] = parse_path(text[at + 1 : end])
            kept.append(name)
            at = end + 1
            continue
        kept.append(sign)
        at += 1
    return "".join(kept), paths


def _check_nodes(text: str, tree: ast.Expression) -> list[ast.AST]:
    """Return all nodes of an expression."""
    level: list[ast.AST] = [tree]
    nodes = [*level]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        nodes += level
        if not level:
            break
    else:
        raise ExpressionError(f"{quote_text(text)} is nested more than {MAX_DEPTH} levels deep; split it")
    for node in nodes:
        if not isinstance(node, _NODES):
            raise ExpressionError(f"{quote_text(text)}: {type(node).__name__} is not available in expressions")
        if isinstance(node, ast.Constant) and not isinstance(node.value, str | int | float | None):
            raise ExpressionError(f"{quote_text(text)}: {type(node.value).__name__} is not available in expressions")
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            raise ExpressionError(f"{quote_text(text)}: write ['{node.attr}'] instead of .{node.attr}")
        if isinstance(node, ast.keyword) and node.arg is None:
            raise ExpressionError(f"{quote_text(text)}: ** is not available in calls")
        if isinstance(node, ast.Call):
            _check_call(text, node)
    return nodes


def _check_call(text: str, call: ast.Call) -> None:
    called = call.func
    if isinstance(called, ast.Attribute):
        if called.attr not in ALL_METHODS:
            raise ExpressionError(f"{quote_text(text)}: the method {called.attr!r} is not available")
    elif not isinstance(called, ast.Name) or called.id not in FUNCTIONS:
        name = called.id if isinstance(called, ast.Name) else "this"
        raise ExpressionError(f"{quote_text(text)}: unknown function {name}; use one of {', '.join(sorted(FUNCTIONS))}")
    elif called.id in NAME_READERS:
        for given in (*call.args[:1], *(one.value for one in call.keywords if one.arg == "name")):
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                parse_name(given.value)


_HANDLERS = {kind: found.__name__ for kind, found in EvalWithCompoundTypes().nodes.items() if kind in _NODES}
"""Names of evaluating methods by node type: bound methods in every evaluator would be expensive."""


class _Evaluator(EvalWithCompoundTypes):  # type: ignore[misc]  # simpleeval ships no types
    """simpleeval's evaluator with a budget, and with attributes that are only properties of objects."""

    def __init__(  # simpleeval's own preparation takes longer than most expressions
        self, scope: EvaluationScope, paths: Mapping[str, Path], allowed: Mapping[str, Callable[..., Any]]
    ) -> None:
        self.nodes: dict[type[ast.AST], Callable[..., Any]] = {}
        self.operators = _Operators(scope.budget)
        self.functions = allowed
        self.names = scope.names
        self._budget = scope.budget
        self._scope = scope
        self._paths = paths
        self._values: dict[str, Any] = {}

    def _check_disallowed_items(self, item: Any) -> None:
        """Check nothing: the state is JSON, and callables are allowed by name."""

    def _eval(self, node: ast.AST) -> Any:
        self._budget.charge()
        kind = type(node)
        return self.nodes[kind](node) if kind in self.nodes else getattr(self, _HANDLERS[kind])(node)

    def _eval_name(self, node: ast.Name) -> Any:
        if node.id in self._paths:
            return self._read_path(node.id)
        if node.id not in self.names:
            raise RunTimeError(f"the state of the flow has no property {node.id!r}")
        return self.names[node.id]

    def _read_path(self, name: str) -> Any:
        """Return the value of a back-quoted path, which is read when it is reached, and once."""
        if name not in self._values:
            self._values[name] = self._paths[name].read(self._scope)
        return self._values[name]

    def _eval_attribute(self, node: ast.Attribute) -> Any:
        value = self._eval(node.value)
        if not isinstance(value, dict) or node.attr not in value:
            raise RunTimeError(f"property {node.attr!r} not found in {ast.unparse(node.value)}")
        return value[node.attr]

    def _eval_call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Attribute):
            called = bounded_method(self._budget.check(self._eval(node.func.value)), node.func.attr)
        else:
            called = self.functions[ast.unparse(node.func)]
        positional: list[Any] = []
        for given in node.args:
            if isinstance(given, ast.Starred):
                positional += self._eval(given.value)
            else:
                positional.append(self._eval(given))
        named = {str(one.arg): self._eval(one.value) for one in node.keywords}
        self._budget.check([positional, list(named.values())])
        return self._budget.check(called(*positional, **named))

    def _eval_formattedvalue(self, node: ast.FormattedValue) -> Any:
        value = self._budget.check(self._eval(node.value))
        spec = check_format_spec(self._eval(node.format_spec)) if node.format_spec is not None else ""
        return format(_CONVERSIONS[node.conversion](value), spec)

    def _eval_comprehension(self, node: ast.AST) -> Any:
        self.nodes.setdefault(ast.Name, self._eval_name)  # simpleeval replaces this entry during a comprehension
        value = super()._eval_comprehension(node)
        if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
            self._budget.charge(len(value) ** 2 // _COLLISIONS)
        return self._budget.check(value)


class _Operators:
    """simpleeval's table of operators, which charges each operator for its operands and result."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def __getitem__(self, kind: type[ast.AST]) -> Callable[..., Any]:
        return partial(_apply_counted, self._budget, _PLAIN[kind])


def _apply_counted(budget: Budget, function: Callable[..., Any], *operands: Any) -> Any:
    for operand in operands:
        budget.check(operand)
    if function is operator.mul:
        _charge_repetition(budget, *operands)
    return budget.check(function(*operands))


def _charge_repetition(budget: Budget, left: Any, right: Any) -> None:
    for one, count in ((left, right), (right, left)):
        if isinstance(one, str | list | tuple) and isinstance(count, int):
            budget.charge(max(0, count) * max(1, len(one)))


def _power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > MAX_BITS:
        raise RunTimeError("number too large")
    return left**right


def _remainder(left: Any, right: Any) -> Any:
    return check_format_spec(left) % right if isinstance(left, str) else left % right


_PLAIN: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: _remainder, ast.Pow: _power, ast.USub: operator.neg,
    ast.UAdd: operator.pos, ast.Not: operator.not_, ast.Eq: operator.eq, ast.NotEq: operator.ne,
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right, ast.NotIn: lambda left, right: left not in right,
    ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip


def _to_json(value: Any) -> Any:
    """Return the value as JSON.

    Raises:
        RunTimeError: the value is not a JSON value, or a reader of JSON would change a part of it.
    """
    found = _json(value)
    if (problem := value_problem(found, "the result")) is not None:
        raise RunTimeError(problem)
    return found


def _json(value: Any) -> Any:
    if value is None or isinstance(value, bool | str | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_json(one) for one in value]
    if isinstance(value, dict):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise RunTimeError(f"the key {wrong[0]!r} of an object is not a string")
        return {key: _json(one) for key, one in value.items()}
    raise RunTimeError(f"the result is a {type(value).__name__}, which is not valid JSON")
