"""Bodies of the Leases of shards and replicas: names, labels, epochs; pure functions."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from taskaction.api.base import format_time
from taskaction.cluster.gateway import LEASES, Body
from taskaction.core.constants import ACQUISITIONS_ANNOTATION, EPOCH_ANNOTATION, GROUP, REPLICA_ANNOTATION
from taskaction.core.names import digest

KIND_LABEL = f"{GROUP}/lease"
MANAGED_BY = "app.kubernetes.io/managed-by"
OPERATOR = "taskaction-operator"
SELECTOR = f"{MANAGED_BY}={OPERATOR}"
"""Label selector of the Leases of shards and replicas."""
_ACQUISITION = re.compile(r"\b(\d{1,18})@(\d{1,11}\.\d{3})\b", re.ASCII)
SHARD, REPLICA = "shard", "replica"
LABELS = {MANAGED_BY: OPERATOR, KIND_LABEL: SHARD}
_MARK_CHARS = 16
_ACQUISITIONS_KEPT = 16
_SHARD_SECONDS = 15.0
"""Least duration of the Leases of shards, for replicas that judge by them: time to notice one, and to renew."""


class ReplicaState(StrEnum):
    """State of a replica, as its Lease has it."""

    LIVE = "live"
    """It takes part in the work."""
    LEAVING = "leaving"
    """It releases its shards, and takes none."""
    FENCED = "fenced"
    """Others found its Lease expired: its shards are free."""


@dataclass(slots=True)
class ListedLeases:
    """The operator's Leases as one list returned them."""

    shards: dict[int, Body] = field(default_factory=dict)
    replicas: list[Body] = field(default_factory=list)

    @classmethod
    def from_leases(cls, leases: Iterable[Body]) -> "ListedLeases":
        """Group Leases by their purpose; skip others."""
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
    """Return the name of a shard's Lease."""
    return f"taskaction-shard-{shard}"


def replica_name(identity: str) -> str:
    """Return the name of a replica's Lease; a hash, because an identity may contain characters that names may not."""
    return f"taskaction-replica-{digest(identity.encode())[:_MARK_CHARS]}"


def holder_of(lease: Body) -> str:
    """Return the holder of a Lease; empty if it has none."""
    return lease["spec"].get("holderIdentity") or ""


def epoch_of(lease: Body) -> int:
    """Return the epoch of the last acquisition of a shard's Lease; 0 if it has none."""
    text = (lease["metadata"].get("annotations") or {}).get(EPOCH_ANNOTATION, "0")
    return int(text) if text.isdecimal() else 0


def next_epoch(lease: Body | None, now: datetime) -> int:
    """Return an epoch above all earlier ones.

    The Unix time in whole seconds is the minimum. So the epoch grows even if somebody deleted the Lease; an epoch that
    starts again at 1 would have every write refused by the transition rule of the API.
    """
    return max((epoch_of(lease) if lease is not None else 0) + 1, int(now.timestamp()))


def gone_since(lease: Body, epoch: int, now: datetime) -> datetime:
    """Return since when the holder of ``epoch`` has been gone: since the next acquisition; ``now`` if there is none.

    The Lease records its last acquisitions. A holder that is older than those was gone before the first of them.
    """
    later = [at for acquired, at in _acquisitions_of(lease) if acquired > epoch]
    return min([now, *(datetime.fromtimestamp(at, UTC) for at in later)])


def acquire_lease_body(
    shard: int, lease: Body | None, identity: str, duration: float, new_epoch: int, now: datetime
) -> Body:
    """Return the body with which a new holder acquires a shard's Lease; ``lease`` is the existing one."""
    acquisitions = [*(_acquisitions_of(lease) if lease is not None else ()), (new_epoch, now.timestamp())]
    kept = " ".join(f"{epoch}@{at:.3f}" for epoch, at in acquisitions[-_ACQUISITIONS_KEPT:])
    before = lease["spec"] if lease is not None else {}
    metadata: Body = lease["metadata"] if lease is not None else {"name": shard_name(shard)}
    marks = {
        "labels": (metadata.get("labels") or {}) | LABELS,
        "annotations": (metadata.get("annotations") or {})
        | {EPOCH_ANNOTATION: str(new_epoch), ACQUISITIONS_ANNOTATION: kept},
    }
    spec = _lease_spec(identity, max(duration, _SHARD_SECONDS), now) | {
        "leaseTransitions": int(before.get("leaseTransitions") or 0) + 1
    }
    return _lease(metadata | marks, spec)


def replica_state(lease: Body) -> ReplicaState | None:
    """Return the state of a replica; None if it is of a release that renews the Lease of each of its shards."""
    text = (lease["metadata"].get("annotations") or {}).get(REPLICA_ANNOTATION)
    return ReplicaState(text) if text in set(ReplicaState) else None


def replica_lease_body(lease: Body | None, identity: str, duration: float, state: ReplicaState, now: datetime) -> Body:
    """Return the Lease by which a replica announces itself to the others; ``lease`` is the existing one."""
    metadata: Body = lease["metadata"] if lease is not None else {"name": replica_name(identity)}
    labels = (metadata.get("labels") or {}) | {MANAGED_BY: OPERATOR, KIND_LABEL: REPLICA}
    spec = _lease_spec(identity, duration, now)
    if lease is not None and holder_of(lease) == identity:
        spec["acquireTime"] = lease["spec"].get("acquireTime", spec["acquireTime"])
    return _with_state(_lease(metadata | {"labels": labels}, spec), state)


def fence_lease_body(lease: Body) -> Body:
    """Return the Lease of a replica that no longer owns its shards."""
    return _with_state(lease, ReplicaState.FENCED)


def renew_lease_body(lease: Body, now: datetime) -> Body:
    """Return a Lease with a new renew time."""
    return lease | {"spec": lease["spec"] | {"renewTime": micro_time(now)}}


def release_lease_body(lease: Body, now: datetime) -> Body:
    """Return a Lease without a holder."""
    return lease | {"spec": lease["spec"] | {"holderIdentity": "", "renewTime": micro_time(now)}}


def micro_time(moment: datetime) -> str:
    """Return a time in the format of Leases, with microseconds."""
    return format_time(moment).replace("Z", "000Z")


def _lease(metadata: Body, spec: Body) -> Body:
    return {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}


def _with_state(lease: Body, state: ReplicaState) -> Body:
    annotations = (lease["metadata"].get("annotations") or {}) | {REPLICA_ANNOTATION: state.value}
    return lease | {"metadata": lease["metadata"] | {"annotations": annotations}}


def _lease_spec(identity: str, duration: float, now: datetime) -> Body:
    moment = micro_time(now)
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": max(1, round(duration)),
        "acquireTime": moment,
        "renewTime": moment,
    }


def _acquisitions_of(lease: Body) -> list[tuple[int, float]]:
    """Return epoch and Unix time of the last acquisitions, oldest first; an entry that somebody broke is skipped."""
    text = (lease["metadata"].get("annotations") or {}).get(ACQUISITIONS_ANNOTATION, "")
    return [(int(one[1]), float(one[2])) for one in _ACQUISITION.finditer(text)]


def _shard_of(lease: Body) -> int | None:
    number = lease["metadata"]["name"].rpartition("-")[2]
    return int(number) if number.isdecimal() else None
