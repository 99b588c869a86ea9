"""Time without a renewal of foreign Leases by this process's own clock; their timestamps are never trusted."""

from dataclasses import dataclass
from typing import Any

from taskaction.cluster.gateway import Body
from taskaction.core.clock import Clock


@dataclass(slots=True)
class _Sighting:
    mark: tuple[Any, ...]
    since: float


class LeaseSightings:
    """When each Lease was last seen to change."""

    def __init__(self, clock: Clock, default_duration: float) -> None:
        """Create a table; ``default_duration`` applies to Leases that specify none."""
        self._clock = clock
        self._default = default_duration
        self._seen: dict[str, _Sighting] = {}

    def silent_seconds(self, lease: Body) -> float:
        """Return for how many seconds a Lease has not changed; 0 when it is seen for the first time."""
        name, spec = lease["metadata"]["name"], lease["spec"]
        mark = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        now = self._clock.monotonic()
        sighting = self._seen.get(name)
        if sighting is None or sighting.mark != mark:
            sighting = self._seen[name] = _Sighting(mark=mark, since=now)
        return now - sighting.since

    def is_expired(self, lease: Body) -> bool:
        """Whether a Lease has not changed for longer than its duration."""
        return self.silent_seconds(lease) >= float(lease["spec"].get("leaseDurationSeconds") or self._default)

    def forget(self, name: str) -> None:
        """Forget a Lease that was deleted, or this process's own."""
        self._seen.pop(name, None)
