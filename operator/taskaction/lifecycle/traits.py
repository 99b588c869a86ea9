"""Properties of an executor on which the machine depends."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Behaviour of an action's effect after a crash and a deletion."""

    idempotent: bool
    """Another call for the same attempt has no second effect, so no claim is needed before the call."""
    external_effect: bool
    """The work outside must be cancelled, so the finalizer is set from before the call to the end."""
    takes_reports: bool = True
    """ActionEvents of type ``Update`` may change the phase and end the attempt. An approval ends by its signal only."""
    reports_start: bool = False
    """Its ``Pending`` outcomes are exact about when the work has room and when it runs; timeouts count from then."""
    extra_cancel_grace: timedelta = timedelta()
    """Additional time for the cancel, on top of the time that every executor has."""
