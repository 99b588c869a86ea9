"""What tells a signal from the one before it, and how it is handed on to what is below; pure."""

from typing import Any

import orjson

from taskaction.api.task_action import Signal
from taskaction.core.names import digest


def fingerprint(signal: Signal) -> str:
    """Give what is the same for the same signal only; who sent it and when are part of it."""
    return digest(orjson.dumps(signal.to_json(), option=orjson.OPT_SORT_KEYS))


def handed_on(signal: Signal, state: str | None = None) -> dict[str, Any]:
    """Give the signal for what is below, as it is written there: once more is no other signal, the next one is."""
    below = {"value": signal.value, "id": fingerprint(signal)}
    return below if state is None else below | {"state": state}
