"""Applies JSON patches of the operations test, add, replace and remove, which are all that is sent here."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from taskaction.cluster.errors import ConflictError, InvalidError
from taskaction.cluster.gateway import Body


def patched(body: Body, operations: Sequence[Mapping[str, Any]]) -> Body:
    """Give a changed copy.

    Raises:
        ConflictError: a test failed, or an operation means nothing in this object; servers tell both alike.
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
            target[key]  # only what is there can be replaced
            target[key] = operation["value"]
        case "remove":
            del target[key]
        case unknown:
            raise InvalidError(f"a patch has no operation {unknown!r}")
