"""Values that states read and write, with their private places."""

from typing import Any

from taskaction.flows.parameters import Evaluated
from taskaction.flows.paths import Path
from taskaction.flows.privacy import Places, places_after_write
from taskaction.flows.program import Node
from taskaction.flows.scope import EvaluationScope
from taskaction.flows.state import Frame


def map_scope(node: Node, scope: EvaluationScope) -> EvaluationScope:
    """Return the scope of the paths of a Map: its InputPath selects the state of the flow that they read."""
    return scope if node.input_path is None else scope.with_data(*node.input_path.read_private(scope))


def items_of(node: Node, scope: EvaluationScope) -> tuple[Any, Places]:
    """Return the items of a Map in its scope, which may turn out to be no list, and their private places."""
    return node.items_path.read_private(scope) if node.items_path is not None else (scope.data, scope.private)


def write_result(frame: Frame, path: Path | None, result: Evaluated) -> tuple[Any, Places]:
    """Return the data of a frame with a result at a path, and its private places; None drops the result."""
    if path is None:
        return frame.data, frame.private
    data = path.write(frame.data, result.value)
    return data, places_after_write(frame.private, path.place(data), result.private)
