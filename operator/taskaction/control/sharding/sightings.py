"""Whether foreign Leases have expired, by this process's own clock and, with a margin, by their renew times."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskaction.cluster.gateway import Body
from taskaction.control.sharding.clock_guard import TOLERANCE_SECONDS, ClockGuard
from taskaction.core.clock import Clock

_LEAST_WATCHED = 0.5
"""Share of its duration for which an expired Lease was watched at least: a live holder renews after a third."""


@dataclass(slots=True)
class _Sighting:
    """What is known of a Lease since its last change.

    Attributes:
        since: when this process saw the change, by the monotonic clock.
        silent_before: seconds without a renewal before that; 0 if this process watched the change happen.
    """

    mark: tuple[Any, ...]
    since: float
    silent_before: float


class LeaseSightings:
    """When each Lease was last seen to change.

    A process that has just started counts the time before it too. Otherwise nobody would take the shards of a lost
    holder while processes live for less than the duration of a Lease, as in a rollout that does not come to an end.
    """

    def __init__(self, clock: Clock, guard: ClockGuard, default_duration: float) -> None:
        """Create a table; ``default_duration`` applies to Leases that specify none."""
        self._clock = clock
        self._guard = guard
        self._default = default_duration
        self._seen: dict[str, _Sighting] = {}

    def is_expired(self, lease: Body) -> bool:
        """Whether a Lease was not renewed for longer than its duration, and a live holder would have been noticed."""
        name, spec = lease["metadata"]["name"], lease["spec"]
        duration = float(spec.get("leaseDurationSeconds") or self._default)
        mark = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        now, sighting = self._clock.monotonic(), self._seen.get(name)
        if sighting is None:
            sighting = self._seen[name] = _Sighting(mark, now, self._silent_seconds(spec.get("renewTime")))
        elif sighting.mark != mark:
            sighting = self._seen[name] = _Sighting(mark, now, 0.0)
        watched = now - sighting.since
        return watched >= duration * _LEAST_WATCHED and watched + sighting.silent_before >= duration

    def forget(self, name: str) -> None:
        """Forget a Lease that was deleted, or this process's own."""
        self._seen.pop(name, None)

    def _silent_seconds(self, renewed: str | None) -> float:
        """Return the seconds since a renew time by the API server's clock, from which the holder's may differ."""
        now = self._guard.server_time()
        if now is None or not renewed:
            return 0.0
        try:
            at = datetime.fromisoformat(renewed).timestamp()
        except ValueError:
            return 0.0
        return max(now - at - TOLERANCE_SECONDS, 0.0)
