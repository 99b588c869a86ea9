"""What the Leases of shards and replicas look like: names, labels, epochs; pure, and knows no API server."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from taskaction.api.base import format_time
from taskaction.cluster.gateway import LEASES, Body
from taskaction.core.constants import EPOCH_ANNOTATION, GROUP
from taskaction.core.names import digest

KIND_LABEL = f"{GROUP}/lease"
MANAGED_BY = "app.kubernetes.io/managed-by"
OPERATOR = "taskaction-operator"
SELECTOR = f"{MANAGED_BY}={OPERATOR}"
"""Finds the Leases of shards and of replicas."""
SHARD, REPLICA = "shard", "replica"
LABELS = {MANAGED_BY: OPERATOR, KIND_LABEL: SHARD}
_MARK_CHARS = 16


@dataclass(slots=True)
class Listed:
    """The operator's Leases as one list showed them."""

    shards: dict[int, Body] = field(default_factory=dict)
    replicas: list[Body] = field(default_factory=list)

    @classmethod
    def of(cls, leases: Iterable[Body]) -> "Listed":
        """Sort Leases by what they are for; others are left out."""
        listed = cls()
        for lease in leases:
            kind = (lease["metadata"].get("labels") or {}).get(KIND_LABEL)
            shard = _shard_of(lease)
            if kind == REPLICA:
                listed.replicas.append(lease)
            elif kind == SHARD and shard is not None:
                listed.shards[shard] = lease
        return listed


def shard_name(shard: int) -> str:
    """Give the name of a shard's Lease."""
    return f"taskaction-shard-{shard}"


def replica_name(identity: str) -> str:
    """Give the name of a replica's Lease; an identity may hold what a name may not."""
    return f"taskaction-replica-{digest(identity.encode())[:_MARK_CHARS]}"


def holder(lease: Body) -> str:
    """Give who holds a Lease; empty where nobody does."""
    return lease["spec"].get("holderIdentity") or ""


def epoch(lease: Body) -> int:
    """Give the epoch under which a shard's Lease was taken last; 0 where it says none."""
    text = (lease["metadata"].get("annotations") or {}).get(EPOCH_ANNOTATION, "0")
    return int(text) if text.isdecimal() else 0


def next_epoch(lease: Body | None, now: datetime) -> int:
    """Give an epoch above all before it.

    Whole seconds of wall time as a floor keep it growing even where somebody has deleted the Lease, which would
    otherwise start again at 1 and have every write refused by the API's transition rule.
    """
    return max((epoch(lease) if lease is not None else 0) + 1, int(now.timestamp()))


def taken(shard: int, lease: Body | None, identity: str, duration: float, new_epoch: int, now: datetime) -> Body:
    """Give a shard's Lease as its new holder writes it; ``lease`` is what is there."""
    before = lease["spec"] if lease is not None else {}
    metadata: Body = lease["metadata"] if lease is not None else {"name": shard_name(shard)}
    marks = {
        "labels": (metadata.get("labels") or {}) | LABELS,
        "annotations": (metadata.get("annotations") or {}) | {EPOCH_ANNOTATION: str(new_epoch)},
    }
    spec = _spec(identity, duration, now) | {"leaseTransitions": int(before.get("leaseTransitions") or 0) + 1}
    return _lease(metadata | marks, spec)


def replica(identity: str, duration: float, now: datetime) -> Body:
    """Give the Lease by which a replica lets the others know that it is there."""
    labels = {MANAGED_BY: OPERATOR, KIND_LABEL: REPLICA}
    return _lease({"name": replica_name(identity), "labels": labels}, _spec(identity, duration, now))


def renewed(lease: Body, now: datetime) -> Body:
    """Give a Lease with a new time of renewal."""
    return lease | {"spec": lease["spec"] | {"renewTime": micro_time(now)}}


def freed(lease: Body, now: datetime) -> Body:
    """Give a Lease that nobody holds."""
    return lease | {"spec": lease["spec"] | {"holderIdentity": "", "renewTime": micro_time(now)}}


def micro_time(moment: datetime) -> str:
    """Give a time as Leases hold it, in microseconds."""
    return format_time(moment).replace("Z", "000Z")


def _lease(metadata: Body, spec: Body) -> Body:
    return {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}


def _spec(identity: str, duration: float, now: datetime) -> Body:
    moment = micro_time(now)
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": max(1, round(duration)),
        "acquireTime": moment,
        "renewTime": moment,
    }


def _shard_of(lease: Body) -> int | None:
    number = lease["metadata"]["name"].rpartition("-")[2]
    return int(number) if number.isdecimal() else None
