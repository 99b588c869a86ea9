"""Settings of the Leases of shards and replicas."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSettings:
    """Settings of the leases; times are in seconds.

    Attributes:
        shards: number of shards; the same for all replicas.
        duration: how long the Lease of a replica is respected after its last observed renewal.
        renew_deadline: how long after its last renewal a replica may start an effect; less than ``duration``.
        retry: pause between two rounds.
        patience: how long a leaving shard waits for its calls to end before it stays.
    """

    namespace: str
    identity: str
    shards: int = 16
    duration: float = 6.0
    renew_deadline: float = 4.0
    retry: float = 0.5
    patience: float = 20.0
