"""Which of the agents of an installation works: one Lease, judged by this process's own clock; the others stand by.

Two that work at once do no harm, since each run is decided by a tested patch; it only spares them double work.
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
"""How often the Lease is looked at, so that one that was given back is not free for long."""
_LABELS = {"app.kubernetes.io/managed-by": "taskaction-operator", f"{GROUP}/lease": "port-agent"}


class Leadership:
    """Takes the Lease when it is free or has not changed for as long as it lasts, and renews it."""

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
        """Who works, as far as is known."""
        self.trouble = ""
        """Why the Lease could not be looked at the last time."""

    @property
    def held(self) -> bool:
        """True while this agent is the one that works: two thirds of the Lease's time after each renewal."""
        return self._renewed is not None and self._clock.monotonic() < self._renewed + self._duration * 2 / 3

    @property
    def term(self) -> int:
        """The number of the time for which this agent has worked without a break; 0 while it does not work."""
        return self._terms if self.held else 0

    async def run(self, failed: Callable[[Exception], None]) -> None:
        """Keep the Lease until cancelled."""
        while True:
            try:
                await self.turn()
                self.trouble = ""
            except ClusterError as error:
                self.trouble = f"the Lease cannot be kept: {error}"
                failed(error)
            await self._clock.sleep(min(self._duration / 6, _LOOK_SECONDS))

    async def turn(self) -> None:
        """Look at the Lease once: take it, renew it, or note who has it."""
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
            return  # somebody else was faster: what that means shows at the next look
        if not self.held:
            self._terms += 1
        self._renewed, self.holder = asked, self._identity

    async def release(self) -> None:
        """Give the Lease back, so that another agent may take it at once."""
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
    """Give the moment as Kubernetes' MicroTime."""
    return format_time(moment).replace("Z", "000Z")
