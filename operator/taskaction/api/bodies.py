"""Facts about objects as the API server sends them, for callers that need not parse the whole object; pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from taskaction.api.enums import TERMINAL_PHASES, Phase


def at(body: Any, path: str, default: Any = None) -> Any:
    """Return the value at a dotted path of an object, or ``default``."""
    for part in path.split("."):
        body = body.get(part) if isinstance(body, dict) else None
    return default if body is None else body


def phase_of(body: Mapping[str, Any]) -> str:
    """Return the phase of an action or run; Queued if it has no status yet."""
    return str((body.get("status") or {}).get("phase") or Phase.QUEUED)


def has_ended(body: Mapping[str, Any]) -> bool:
    """Whether the phase of an action or run is terminal."""
    return phase_of(body) in TERMINAL_PHASES


def parse_time(text: Any) -> datetime | None:
    """Parse a time of the API server; None without one."""
    return datetime.fromisoformat(text) if isinstance(text, str) else None
