"""The record of an object is changed by the methods of its own module only, whoever decides that it must be."""

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.objects.records import ActionRecord

PACKAGE = Path(__file__).parents[3] / "operator" / "taskaction"
FIELDS = {field.name for record in (ActionRecord, RunRecord) for field in fields(record)}
WRITERS = {"control/objects/owned.py", "control/objects/records.py", "control/flow_runs/records.py"}
CHANGING = {"append", "add", "discard", "remove", "clear", "update", "extend", "pop", "setdefault"}


def changes(text: str) -> Iterator[str]:
    """Return what a module assigns to, or changes in, the fields of a record."""
    for node in ast.walk(ast.parse(text)):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Delete):
            targets = [target.value if isinstance(target, ast.Subscript) else target for target in node.targets]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            targets = [node.func.value]
        for target in targets:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                value = part.value if isinstance(part, ast.Subscript) else part
                if isinstance(value, ast.Attribute) and value.attr in FIELDS and "record" in ast.unparse(value.value):
                    yield f"{node.lineno}: {ast.unparse(node)}"


def test_no_other_module_changes_a_record() -> None:
    found = {
        name: list(changes(path.read_text(encoding="utf-8")))
        for part in ("control", "app", "local", "testing")
        for path in sorted((PACKAGE / part).rglob("*.py"))
        if (name := str(path.relative_to(PACKAGE))) not in WRITERS
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_the_check_sees_every_kind_of_change() -> None:
    lines = (
        "record.status = 1",
        "record.calls['a'] = 2",
        "record.children |= {3}",
        "del record.calls['a']",
        "record.children.add(4)",
    )
    assert [len(list(changes(line))) for line in lines] == [1, 1, 1, 1, 1]
