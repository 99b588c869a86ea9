"""Reads of an expression: the places of the state of the flow that it may read, and those that it reads in any case."""

import ast
from collections.abc import Callable, Iterable, Iterator

from taskaction.flows.privacy import Place


def possible_reads(node: ast.AST) -> Iterator[Place]:
    """Yield the places that an expression may read: names with the constant steps that follow them."""
    return _reads(node, ast.iter_child_nodes)


def certain_reads(node: ast.AST) -> Iterator[Place]:
    """Yield the places that an expression reads whenever it is evaluated, whatever its conditions and lists are."""
    return _reads(node, _certain_parts)


def _reads(node: ast.AST, parts_of: Callable[[ast.AST], Iterable[ast.AST]]) -> Iterator[Place]:
    place = _static_place(node)
    if place is not None:
        yield place
        return
    parts = parts_of(node)
    if isinstance(node, ast.Call):  # the name of a function is no read; a method reads the whole object
        target = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        parts = [*target, *node.args, *node.keywords]
    for part in parts:
        yield from _reads(part, parts_of)


def _certain_parts(node: ast.AST) -> Iterable[ast.AST]:
    match node:
        case ast.IfExp():
            return [node.test]
        case ast.BoolOp():
            return node.values[:1]
        case ast.Compare():
            return [node.left, node.comparators[0]]
        case ast.ListComp() | ast.GeneratorExp() | ast.DictComp():
            return [node.generators[0].iter]
        case _:
            return ast.iter_child_nodes(node)


def _static_place(node: ast.AST) -> Place | None:
    steps: list[str | int] = []
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute):
            steps.append(node.attr)
        elif isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str | int):
            steps.append(node.slice.value)
        else:
            return None
        node = node.value
    return (node.id, *reversed(steps)) if isinstance(node, ast.Name) else None
