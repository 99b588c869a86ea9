"""Gates before the next attempt of an action, checked in one order everywhere; pure."""

from dataclasses import dataclass
from datetime import datetime

from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.lifecycle.decisions import Adopt, Effect, WakeAt
from taskaction.lifecycle.state import Observed, Parent

SHOWN_WHILE_HELD = frozenset({Reason.SUSPENDED, Reason.PROVIDER_NOT_FOUND, Reason.PROVIDER_NOT_READY})
"""Reasons that are replaced in the status as soon as no gate is closed."""

ASKED_AGAIN = frozenset({Reason.RATE_LIMITED, Reason.QUEUE_FULL})
"""Reasons that are not gates: the action asks again, and the time in the status is an estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartGate:
    """Closed gate: why no attempt may start yet; ``reason`` is None if the wait is too short for the status."""

    effects: tuple[Effect, ...] = ()
    phase: Phase = Phase.QUEUED
    reason: Reason | None = None
    message: str = ""


def find_gate(observed: Observed, now: datetime) -> StartGate | None:
    """Return the first closed gate, or None if a worker may take the action."""
    if observed.parent is Parent.LOOKED_UP or observed.is_validating:
        return StartGate()
    if observed.parent is Parent.FOUND:
        return StartGate(effects=(Adopt(),))
    if observed.spec.suspend:
        return StartGate(phase=observed.status.phase, reason=Reason.SUSPENDED, message="spec.suspend is true")
    if observed.blocker is not None:
        return StartGate(
            phase=Phase.WAITING_FOR_RESOURCES, reason=observed.blocker.reason, message=observed.blocker.message
        )
    due = observed.status.next_attempt_at
    if due is None or due <= now or observed.status.reason in ASKED_AGAIN:
        return None
    freed = observed.status.reason in SHOWN_WHILE_HELD
    return StartGate(
        effects=(WakeAt(due),), reason=Reason.BACKING_OFF if freed else None, message="waiting for the next attempt"
    )
