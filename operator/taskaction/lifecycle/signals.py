"""Identity of signals, and how they are passed to child objects; pure."""

from typing import Any

import orjson

from taskaction.api.task_action import Signal
from taskaction.core.names import digest


def fingerprint(signal: Signal) -> str:
    """Return a fingerprint of what the signal says; who sent it and when makes it no other signal."""
    return _digest(signal.model_copy(update={"by": None, "at": None}))


def is_fingerprint_of(signal: Signal, mark: str | None) -> bool:
    """Whether ``mark`` is the fingerprint of the signal, or the former one, which included its sender and time."""
    return mark in {fingerprint(signal), _digest(signal)}


def _digest(signal: Signal) -> str:
    return digest(orjson.dumps(signal.to_json(), option=orjson.OPT_SORT_KEYS))


def to_child_signal(signal: Signal, state: str | None = None) -> dict[str, Any]:
    """Return the signal for a child object; the id makes it the same signal if it is sent again."""
    below = {"value": signal.value, "id": fingerprint(signal)}
    return below if state is None else below | {"state": state}
