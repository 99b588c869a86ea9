"""Leader election of the agents of an installation: one Lease, whose expiry each process measures by its own clock.

Two leaders at the same time are safe, because a conditional patch decides each run; the Lease only avoids double work.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from taskaction.api.base import format_time
from taskaction.cluster.errors import AlreadyExistsError, ClusterError, ConflictError, NotFoundError
from taskaction.cluster.gateway import LEASES, Body, Cluster
from taskaction.core.clock import Clock
from taskaction.core.constants import GROUP
from taskaction.core.names import digest

_MARK_CHARS = 16
_LOOK_SECONDS = 2.0
"""Maximum interval between reads of the Lease, so that another agent acquires a released Lease soon."""
_LABELS = {"app.kubernetes.io/managed-by": "taskaction-operator", f"{GROUP}/lease": "port-agent"}


class Leadership:
    """Holder of the Lease; it acquires one that is free or has not changed for its duration, and renews it."""

    def __init__(
        self, cluster: Cluster, clock: Clock, *, namespace: str, installation: str, identity: str, duration: float
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._namespace = namespace
        self._name = f"taskaction-port-agent-{digest(installation.encode())[:_MARK_CHARS]}"
        self._identity = identity
        self._duration = duration
        self._renewed: float | None = None
        self._seen: tuple[str, float] | None = None
        self._terms = 0
        self.holder = ""
        """Identity of the leader at the last read."""
        self.trouble = ""
        """Error of the last attempt to read or renew the Lease; empty if it succeeded."""

    @property
    def is_leader(self) -> bool:
        """Whether this agent is the leader: for two thirds of the Lease's duration after each renewal."""
        return self._renewed is not None and self._clock.monotonic() < self._renewed + self._duration * 2 / 3

    @property
    def term(self) -> int:
        """Number of the current term of this agent as leader; 0 while it is not the leader."""
        return self._terms if self.is_leader else 0

    async def run(self, failed: Callable[[Exception], None]) -> None:
        """Acquire and renew the Lease until cancelled."""
        while True:
            try:
                await self.acquire_or_renew()
                self.trouble = ""
            except ClusterError as error:
                self.trouble = f"the Lease cannot be renewed: {error}"
                failed(error)
            await self._clock.sleep(min(self._duration / 6, _LOOK_SECONDS))

    async def acquire_or_renew(self) -> None:
        """Read the Lease once: acquire it, renew it, or record its holder."""
        asked = self._clock.monotonic()
        found = await self._cluster.get(LEASES, self._name, self._namespace)
        try:
            if found is None:
                await self._cluster.create(LEASES, self._lease({}), self._namespace)
            elif self._may_take(found):
                await self._cluster.replace(LEASES, self._lease(found))
            else:
                self._renewed = None
                return
        except (AlreadyExistsError, ConflictError, NotFoundError):
            return  # another agent was faster: the next read shows the result
        if not self.is_leader:
            self._terms += 1
        self._renewed, self.holder = asked, self._identity

    async def release(self) -> None:
        """Release the Lease, so that another agent may acquire it at once."""
        if self._renewed is None:
            return
        self._renewed = None
        found = await self._cluster.get(LEASES, self._name, self._namespace)
        if found is not None and found["spec"].get("holderIdentity") == self._identity:
            await self._cluster.replace(LEASES, found | {"spec": {**found["spec"], "holderIdentity": ""}})

    def _may_take(self, lease: Body) -> bool:
        spec = lease["spec"]
        self.holder = spec.get("holderIdentity") or ""
        if self.holder in {"", self._identity}:
            return True
        now, version = self._clock.monotonic(), lease["metadata"]["resourceVersion"]
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, now)
            return False
        return now - self._seen[1] >= max(self._duration, float(spec.get("leaseDurationSeconds") or 0))

    def _lease(self, found: Body) -> Body:
        before = found.get("spec", {})
        now = _micro(self._clock.now())
        mine = before.get("holderIdentity") == self._identity
        spec: dict[str, Any] = {
            **before,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "acquireTime": before.get("acquireTime", now) if mine else now,
            "renewTime": now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + (not mine),
        }
        metadata = found.get("metadata") or {"name": self._name, "namespace": self._namespace, "labels": _LABELS}
        return {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}


def _micro(moment: datetime) -> str:
    """Return the time as a Kubernetes MicroTime."""
    return format_time(moment).replace("Z", "000Z")
