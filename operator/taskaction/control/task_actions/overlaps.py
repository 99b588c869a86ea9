"""Actions of a partition that must give way to others by ``overlapPolicy``; a table that decides by rank.

No history is kept: which actions must end follows from the live actions of the partition, so a restart comes to the
same result.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass

from taskaction.api.enums import OverlapPolicy
from taskaction.api.reasons import Reason
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.tables import ActionTable
from taskaction.execution.runs import Order
from taskaction.lifecycle.state import AbortFact

PartitionName = tuple[str, str]
"""Source and partition key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapPlace:
    """Place of an action in a partition with an overlap policy.

    Attributes:
        capacity: maximum number of concurrent actions.
        order: order of creation, whether the action has started or not.
    """

    partition: PartitionName
    policy: OverlapPolicy
    capacity: int
    order: Order


class OverlapTable:
    """Live actions of such partitions in the order of their creation."""

    def __init__(self, table: ActionTable) -> None:
        self._table = table
        self._members: dict[PartitionName, list[tuple[Order, str]]] = {}
        self._places: dict[str, OverlapPlace] = {}

    def place(self, record: ActionRecord, overlap: OverlapPlace | None) -> ActionRecord | None:
        """Update the place of an action; return another action that must give way because of it."""
        if self._places.get(record.uid) == overlap:
            return None
        self.forget(record.uid)
        if overlap is None:
            return None
        members = self._members.setdefault(overlap.partition, [])
        insort(members, (overlap.order, record.uid))
        self._places[record.uid] = overlap
        if len(members) <= overlap.capacity:
            return None
        pushed_out = -overlap.capacity - 1 if overlap.policy is OverlapPolicy.REPLACE else overlap.capacity
        uid = members[pushed_out][1]
        return self._table.get(uid) if uid != record.uid else None

    def forget(self, uid: str) -> None:
        """Remove an action that has finished or no longer counts."""
        place = self._places.pop(uid, None)
        if place is None:
            return
        members = self._members[place.partition]
        del members[bisect_left(members, (place.order, uid))]
        if not members:
            del self._members[place.partition]

    def abort_fact(self, record: ActionRecord) -> AbortFact | None:
        """Return why an action must end; None if it may continue."""
        place = self._places.get(record.uid)
        if place is None:
            return None
        members = self._members[place.partition]
        rank = bisect_left(members, (place.order, record.uid))
        key = place.partition[1]
        if place.policy is OverlapPolicy.REPLACE:
            if len(members) - rank <= place.capacity:
                return None
            message = f"replaced by {self._name(members[-1][1])}, which has the same partition key {key!r}"
            return AbortFact(reason=Reason.REPLACED, message=message)
        if record.status.attempt:
            return None  # the policy drops actions that arrive, not those that run
        ahead = [uid for _, uid in members[:rank]] if rank < place.capacity else [members[0][1]] * place.capacity
        ahead += [uid for _, uid in members[rank + 1 : rank + 1 + place.capacity] if self._has_started(uid)]
        if len(ahead) < place.capacity:
            return None
        return AbortFact(
            reason=Reason.DROPPED, message=f"{self._name(ahead[0])} with the same partition key {key!r} is running"
        )

    def _has_started(self, uid: str) -> bool:
        record = self._table.get(uid)
        return record is not None and bool(record.status.attempt)

    def _name(self, uid: str) -> str:
        record = self._table.get(uid)
        return repr(record.name) if record is not None else uid
