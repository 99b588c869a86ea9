"""What the machine must know about an executor, and nothing more."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """How an action's effect behaves under a crash and a deletion (design, section 5)."""

    idempotent: bool
    """Calling it again for the same attempt has no second effect: no claim is needed before the call."""
    external_effect: bool
    """Something goes on outside that must be cancelled: a finalizer is held from before the call to the end."""
    farewell: timedelta = timedelta()
    """How long what was started may rightly take to stop, on top of the time that every executor has for it."""
