"""Whether foreign Leases have expired, by this process's own clock and, with a margin, by their renew times."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime

from taskaction.cluster.gateway import Body
from taskaction.control.sharding.clock_guard import TOLERANCE_SECONDS, ClockGuard
from taskaction.core.clock import Clock

_LEAST_WATCHED = 0.5
"""Share of its duration for which an expired Lease was watched at least: a live holder renews after a third."""


@dataclass(slots=True)
class _Sighting:
    """What is known of a Lease since its last change.

    Attributes:
        since: when this process saw the change, by the monotonic clock; later by all time without lists since.
        silent_before: seconds without a renewal before that; 0 if this process watched the change happen.
    """

    mark: Hashable
    since: float
    silent_before: float


class LeaseSightings:
    """When each Lease was last seen to change.

    A process that has just started counts the time before it too. Otherwise nobody would take the shards of a lost
    holder while processes live for less than the duration of a Lease, as in a rollout that does not come to an end.
    """

    def __init__(self, clock: Clock, guard: ClockGuard, *, default_duration: float, list_seconds: float) -> None:
        """Create a table.

        ``default_duration`` applies to Leases that specify none. ``list_seconds`` is the time between two lists; what
        exceeds it is not held against holders: this process was paused, or the API server was away for all.
        """
        self._clock = clock
        self._guard = guard
        self._default = default_duration
        self._list_seconds = list_seconds
        self._seen: dict[Hashable, _Sighting] = {}
        self._listed = clock.monotonic()

    def on_list(self) -> None:
        """Note that the Leases are listed."""
        now = self._clock.monotonic()
        unwatched = now - self._listed - self._list_seconds
        self._listed = now
        if unwatched > 0.0:
            for sighting in self._seen.values():
                sighting.since += unwatched

    def is_expired(self, lease: Body) -> bool:
        """Whether a Lease was not renewed for longer than its duration, and a live holder would have been noticed."""
        spec = lease["spec"]
        duration = float(spec.get("leaseDurationSeconds") or self._default)
        mark = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        sighting = self._sight(lease["metadata"]["name"], mark, spec.get("renewTime"))
        watched = self._clock.monotonic() - sighting.since
        return watched >= duration * _LEAST_WATCHED and watched + sighting.silent_before >= duration

    def is_missing(self, name: str) -> bool:
        """Whether no list had a Lease for longer than the duration of Leases."""
        return self._clock.monotonic() - self._sight(name, None, None).since >= self._default

    def forget(self, name: str) -> None:
        """Forget a Lease that was deleted, or this process's own."""
        self._seen.pop(name, None)

    def _sight(self, name: str, mark: Hashable, renewed: str | None) -> _Sighting:
        sighting, now = self._seen.get(name), self._clock.monotonic()
        if sighting is None:
            sighting = self._seen[name] = _Sighting(mark, now, self._silent_seconds(renewed))
        elif sighting.mark != mark:
            sighting = self._seen[name] = _Sighting(mark, now, 0.0)
        return sighting

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
