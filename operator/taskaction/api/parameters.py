"""Size of the parameters of an action, which every sender checks before it creates one."""

from typing import Any

import orjson

MAX_BYTES = 256 * 1024
"""Default maximum size of the parameters of an action, as JSON."""


def parameters_size(parameters: Any) -> int:
    """Return the size of parameters as JSON in bytes; 0 if they are nested too deeply, which has its own message."""
    try:
        return len(orjson.dumps(parameters))
    except TypeError:
        return 0


def size_problem(parameters: Any, max_bytes: int = MAX_BYTES, path: str = "spec.parameters") -> str | None:
    """Return the problem of parameters that are too large, or None."""
    size = parameters_size(parameters)
    if size <= max_bytes:
        return None
    return f"{path}: {size} bytes, more than the maximum of {max_bytes}; store the data elsewhere and pass its address"
