"""Actions that wait until this process may rely on the Lease of their shard again; decides nothing about them."""

from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import Requests
from taskaction.control.objects.tables import ActionTable
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.control.task_actions.owners import UNDER_WAY


class LeaseWaits:
    """Waiting actions by shard.

    Waiting for a Lease is a property of the shard. Its actions stay where they are in their partitions, and all of them
    are reconciled when the Lease is renewed.
    """

    def __init__(self, *, tenures: ShardTenures, table: ActionTable, requests: Requests) -> None:
        self._tenures = tenures
        self._table = table
        self._requests = requests
        self._waiting: dict[int, dict[str, None]] = {}

    def must_wait(self, record: ActionRecord) -> bool:
        """Whether the Lease is too old to rely on: another process may own the action and its status.

        The action is reconciled when the Lease is renewed. A call or cancel that this process has started continues.
        """
        if record.activity in UNDER_WAY or not self._tenures.owns(record.shard):
            return False
        if (claim := record.status.claim) is not None:
            self._tenures.on_claim_seen(record.shard, claim.epoch)
        if self._tenures.may_start(record.shard):
            return False
        self._waiting.setdefault(record.shard, {})[record.uid] = None
        return True

    def on_lease_renewed(self, shard: int) -> None:
        """Reconcile the actions of a shard that wait for its Lease."""
        for uid in self._waiting.pop(shard, ()):
            if (record := self._table.get(uid)) is not None:
                self._requests.reconcile(record)

    def on_shard_lost(self, shard: int) -> None:
        """Forget the actions of a shard that another process owns."""
        self._waiting.pop(shard, None)
