"""Which shards this process owns: one Lease each, judged by this process's own clock, with an epoch that only grows.

It knows nothing of actions; whoever starts an effect asks ``tenure`` in the same loop step (design, section 5).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from taskaction.api.base import format_time
from taskaction.cluster.errors import AlreadyExistsError, ClusterError, ConflictError, NotFoundError
from taskaction.cluster.gateway import LEASES, Body, Cluster
from taskaction.core.clock import Clock
from taskaction.core.constants import EPOCH_ANNOTATION, GROUP

LABELS = {"app.kubernetes.io/managed-by": "taskaction-operator", f"{GROUP}/lease": "shard"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSettings:
    """How leases are kept; times are in seconds.

    Attributes:
        shards: how many shards the work is divided into; the same for all replicas.
        duration: how long a lease is respected after its last renewal was seen.
        renew_deadline: how long after its last renewal a holder may still start something; less than ``duration``.
        retry: how often leases are renewed and looked at.
    """

    namespace: str
    identity: str
    shards: int = 16
    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0


@dataclass(slots=True)
class Tenure:
    """One shard as its owner knows it; ``renewed`` is monotonic, taken before the renewal was sent."""

    shard: int
    epoch: int
    renewed: float
    lease: Body


@dataclass(slots=True)
class _Sighting:
    """A foreign lease and when, by this process's clock, it was last seen to change."""

    mark: tuple[Any, ...]
    since: float


class LeaseListener(Protocol):
    """Whoever acts on a change of ownership."""

    def shard_acquired(self, shard: int, epoch: int) -> None:
        """This process owns the shard from now on."""

    def shard_lost(self, shard: int) -> None:
        """Another process owns the shard."""


class ShardLeases:
    """Takes every shard that is free, renews what it holds, and gives all of it back on ``release``."""

    def __init__(self, cluster: Cluster, clock: Clock, settings: LeaseSettings, listener: LeaseListener) -> None:
        self._cluster = cluster
        self._clock = clock
        self._settings = settings
        self._listener = listener
        self._tenures: dict[int, Tenure] = {}
        self._sightings: dict[int, _Sighting] = {}
        self._on_error: Callable[[Exception], None] = lambda _: None

    @property
    def held(self) -> int:
        """How many shards this process owns."""
        return len(self._tenures)

    def tenure(self, shard: int) -> Tenure | None:
        """Give the ownership of a shard, also after its renew deadline, as long as nobody else has taken it."""
        return self._tenures.get(shard)

    def may_start(self, shard: int) -> bool:
        """Say whether an effect or an attempt may start now; ask in the same loop step as starting it."""
        tenure = self._tenures.get(shard)
        return tenure is not None and self._clock.monotonic() < tenure.renewed + self._settings.renew_deadline

    def overdue(self) -> float:
        """Give how many seconds the oldest renewal is past its deadline; 0 where none is."""
        oldest = min((tenure.renewed for tenure in self._tenures.values()), default=None)
        if oldest is None:
            return 0.0
        return max(0.0, self._clock.monotonic() - oldest - self._settings.renew_deadline)

    async def run(self, on_error: Callable[[Exception], None]) -> None:
        """Keep leases until cancelled; a failing API server is reported and tried again."""
        self._on_error = on_error
        while True:
            try:
                await self.round()
            except ClusterError as error:
                on_error(error)
            await self._clock.sleep(self._settings.retry)

    async def round(self) -> None:
        """Renew what is held when a third of its duration has passed, and take what is free."""
        due = self._clock.monotonic() - self._settings.duration / 3
        renewals = [self._renew(tenure) for tenure in list(self._tenures.values()) if tenure.renewed <= due]
        await self._all(renewals)
        if len(self._tenures) < self._settings.shards:
            await self._take_free()

    async def release(self) -> None:
        """Give all leases back, so that another replica may take them at once."""
        tenures, self._tenures = list(self._tenures.values()), {}
        await self._all([self._give_back(tenure) for tenure in tenures])

    async def _all(self, calls: list[Any]) -> None:
        """Make the calls side by side; the first error is raised when all have ended."""
        results = await asyncio.gather(*calls, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _take_free(self) -> None:
        found: dict[int, Body] = {}
        async for lease in self._cluster.list(
            LEASES, self._settings.namespace, label_selector=f"{GROUP}/lease=shard", timeout=self._settings.retry * 2
        ):
            shard = _shard_of(lease)
            if shard is not None:
                found[shard] = lease
        missing = [shard for shard in range(self._settings.shards) if shard not in self._tenures]
        await self._all([self._take(shard, found.get(shard)) for shard in missing])

    async def _take(self, shard: int, lease: Body | None) -> None:
        if lease is not None and not self._is_free(shard, lease):
            return
        sent = self._clock.monotonic()
        epoch = self._next_epoch(lease)
        body = self._claimed(shard, lease, epoch)
        try:
            if lease is None:
                taken = await self._cluster.create(LEASES, body, self._settings.namespace)
            else:
                taken = await self._cluster.replace(LEASES, body)
        except AlreadyExistsError:
            # Another replica was faster, or the Lease has lost the label that the list goes by.
            known = await self._cluster.get(LEASES, _name(shard), self._settings.namespace)
            if known is not None:
                await self._take(shard, known)
            return
        except (ConflictError, NotFoundError):
            return  # another replica was faster; the next round sees who
        self._tenures[shard] = Tenure(shard=shard, epoch=epoch, renewed=sent, lease=taken)
        self._sightings.pop(shard, None)
        self._listener.shard_acquired(shard, epoch)

    def _is_free(self, shard: int, lease: Body) -> bool:
        """Judge a lease by how long it has not changed before this process's eyes, never by its timestamps."""
        spec = lease["spec"]
        if not spec.get("holderIdentity"):
            return True
        mark = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        sighting = self._sightings.get(shard)
        now = self._clock.monotonic()
        if sighting is None or sighting.mark != mark:
            self._sightings[shard] = _Sighting(mark=mark, since=now)
            return False
        return now - sighting.since >= float(spec.get("leaseDurationSeconds") or self._settings.duration)

    async def _renew(self, tenure: Tenure) -> None:
        sent = self._clock.monotonic()
        spec = tenure.lease["spec"] | {"renewTime": _micro_time(self._clock.now())}
        try:
            tenure.lease = await self._cluster.replace(
                LEASES, tenure.lease | {"spec": spec}, timeout=self._settings.renew_deadline / 2
            )
        except ConflictError:
            await self._verify(tenure)
        except NotFoundError:
            self._lose(tenure.shard)
        else:
            tenure.renewed = sent

    async def _verify(self, tenure: Tenure) -> None:
        """Find out who has written a lease that this process holds: itself, unheard, or another."""
        lease = await self._cluster.get(LEASES, _name(tenure.shard), self._settings.namespace)
        mine = lease is not None and lease["spec"].get("holderIdentity") == self._settings.identity
        if lease is not None and mine and _epoch(lease) == tenure.epoch:
            tenure.lease = lease
        else:
            self._lose(tenure.shard)

    def _lose(self, shard: int) -> None:
        if self._tenures.pop(shard, None) is not None:
            self._listener.shard_lost(shard)

    async def _give_back(self, tenure: Tenure) -> None:
        spec = tenure.lease["spec"] | {"holderIdentity": "", "renewTime": _micro_time(self._clock.now())}
        try:
            await self._cluster.replace(LEASES, tenure.lease | {"spec": spec}, timeout=2.0)
        except ClusterError as error:
            self._on_error(error)  # it expires by itself

    def _next_epoch(self, lease: Body | None) -> int:
        """Give an epoch above all before it.

        Whole seconds of wall time as a floor keep it growing even where somebody has deleted the Lease, which would
        otherwise start again at 1 and have every write refused by the API's transition rule.
        """
        return max((_epoch(lease) if lease is not None else 0) + 1, int(self._clock.now().timestamp()))

    def _claimed(self, shard: int, lease: Body | None, epoch: int) -> Body:
        now = _micro_time(self._clock.now())
        before = lease["spec"] if lease is not None else {}
        metadata: Body = lease["metadata"] if lease is not None else {"name": _name(shard)}
        marks = {
            "labels": (metadata.get("labels") or {}) | LABELS,
            "annotations": (metadata.get("annotations") or {}) | {EPOCH_ANNOTATION: str(epoch)},
        }
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": metadata | marks,
            "spec": {
                "holderIdentity": self._settings.identity,
                "leaseDurationSeconds": max(1, round(self._settings.duration)),
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": int(before.get("leaseTransitions") or 0) + 1,
            },
        }


def _name(shard: int) -> str:
    return f"taskaction-shard-{shard}"


def _shard_of(lease: Body) -> int | None:
    number = lease["metadata"]["name"].rpartition("-")[2]
    return int(number) if number.isdecimal() else None


def _epoch(lease: Body) -> int:
    text = (lease["metadata"].get("annotations") or {}).get(EPOCH_ANNOTATION, "0")
    return int(text) if text.isdecimal() else 0


def _micro_time(moment: datetime) -> str:
    return format_time(moment).replace("Z", "000Z")
