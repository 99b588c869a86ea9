"""Ownership of actions: in whose name this process may decide about one."""

from taskaction.control.objects.records import ActionRecord
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.lifecycle.state import Activity, Owner

UNDER_WAY = frozenset({Activity.CALLING, Activity.CANCELLING})
"""What this process may finish although its shard was lost meanwhile."""


class ActionOwners:
    """Owner of each action, as far as this process may act as one."""

    def __init__(self, tenures: ShardTenures, identity: str) -> None:
        self._tenures = tenures
        self._identity = identity

    def current(self, record: ActionRecord) -> Owner | None:
        """Return this process as the owner of an action; None if it is not.

        A claimed attempt stays this process's own if the shard is lost meanwhile: its result may still be written,
        unless another process has written a claim (docs/architecture.md).
        """
        tenure = self._tenures.tenure(record.shard)
        if tenure is not None:
            return Owner(holder=self._identity, epoch=tenure.epoch)
        claim = record.status.claim
        if record.activity in UNDER_WAY and claim is not None and claim.holder == self._identity:
            return Owner(holder=claim.holder, epoch=claim.epoch)
        return None

    def of_attempt(self, record: ActionRecord) -> Owner:
        """Return the owner of the claimed attempt, even if the object was deleted and has no owner any more."""
        claim = record.status.claim
        return Owner(holder=self._identity, epoch=claim.epoch if claim is not None else 0)
