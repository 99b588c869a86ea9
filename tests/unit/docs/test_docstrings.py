"""Docstrings name only what exists: a renamed attribute takes its description with it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "operator" / "taskaction"
ENTRY = re.compile(r"^ {4}(\w+): ", re.MULTILINE)


def attributes_of(node: ast.ClassDef) -> set[str]:
    """Return the names that a class assigns, annotates or defines, in its body and in its methods."""
    names = {part.name for part in ast.walk(node) if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)}
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
            names.add(part.attr)
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            names.add(part.id)
    return names


def described(node: ast.ClassDef) -> list[str]:
    """Return the names in the section ``Attributes`` of a class docstring."""
    section = (ast.get_docstring(node) or "").partition("Attributes:\n")[2]
    return ENTRY.findall(re.split(r"\n\n(?=\S)", section)[0])


def unknown_attributes() -> Iterator[str]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                for name in set(described(node)) - attributes_of(node):
                    yield f"{path.relative_to(PACKAGE)}: {node.name}.{name}"


def test_every_attribute_that_a_class_docstring_describes_exists() -> None:
    assert sorted(unknown_attributes()) == []


def test_the_check_finds_a_name_that_no_longer_exists() -> None:
    text = 'class A:\n    """An A.\n\n    Attributes:\n        old: a number.\n    """\n\n    new: int\n'
    node = next(part for part in ast.walk(ast.parse(text)) if isinstance(part, ast.ClassDef))
    assert (described(node), attributes_of(node)) == (["old"], {"new"})
