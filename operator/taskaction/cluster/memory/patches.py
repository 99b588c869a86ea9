"""JSON patches with the operations test, add, replace and remove, which are all that the project uses."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from taskaction.cluster.errors import ConflictError, InvalidError
from taskaction.cluster.gateway import Body


def apply_patch(body: Body, operations: Sequence[Mapping[str, Any]]) -> Body:
    """Return a changed copy.

    Raises:
        ConflictError: a test failed, or an operation does not apply to this object; servers report both alike.
    """
    changed = copy.deepcopy(body)
    for operation in operations:
        try:
            _apply(changed, operation)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            path = operation["path"]
            raise ConflictError(f"the server rejected our request due to an error in our request: {path}") from error
    return changed


def _apply(body: Body, operation: Mapping[str, Any]) -> None:
    *above, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    target: Any = body
    for part in above:
        target = target[int(part) if isinstance(target, list) else part]
    key: Any = int(last) if isinstance(target, list) and last != "-" else last
    match operation["op"]:
        case "test":
            found = target.get(key) if isinstance(target, dict) else target[key]
            if found != operation["value"]:
                raise ConflictError(f"the test of {operation['path']} failed")
        case "add" if isinstance(target, list):
            target.insert(len(target) if key == "-" else key, operation["value"])
        case "add":
            target[key] = operation["value"]
        case "replace":
            target[key]  # a replace requires an existing value
            target[key] = operation["value"]
        case "remove":
            del target[key]
        case unknown:
            raise InvalidError(f"unknown operation {unknown!r} in a JSON patch")
