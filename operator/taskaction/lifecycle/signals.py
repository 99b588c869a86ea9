"""Identity of signals, and how they are passed to child objects; pure."""

from typing import Any

import orjson

from taskaction.api.task_action import Signal
from taskaction.core.names import digest


def fingerprint(signal: Signal) -> str:
    """Return a fingerprint of the signal, which includes its sender and time."""
    return digest(orjson.dumps(signal.to_json(), option=orjson.OPT_SORT_KEYS))


def to_child_signal(signal: Signal, state: str | None = None) -> dict[str, Any]:
    """Return the signal for a child object; the id makes it the same signal if it is sent again."""
    below = {"value": signal.value, "id": fingerprint(signal)}
    return below if state is None else below | {"state": state}
