"""Facts about objects as the API server sends them, for callers that need not parse the whole object; pure."""

from collections.abc import Mapping
from typing import Any

from taskaction.api.enums import TERMINAL_PHASES, Phase


def phase_of(body: Mapping[str, Any]) -> str:
    """Return the phase of an action or run; Queued if it has no status yet."""
    return str((body.get("status") or {}).get("phase") or Phase.QUEUED)


def has_ended(body: Mapping[str, Any]) -> bool:
    """Whether the phase of an action or run is terminal."""
    return phase_of(body) in TERMINAL_PHASES
