"""Placement of actions: shard, parent and partition, determined anew whenever the object or its provider changed."""

from collections.abc import Iterable

from taskaction.control.objects.family import ParentTracker
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import Requests, provider_key
from taskaction.control.providers.offers import ProviderIntake
from taskaction.control.task_actions.observe import ActionObserver
from taskaction.control.task_actions.overlaps import OverlapTable
from taskaction.control.task_actions.queueing import Queueing
from taskaction.lifecycle.placement import shard_for


class ActionPlacer:
    """Placer that keeps the tables about actions in step with their objects."""

    def __init__(
        self,
        *,
        observer: ActionObserver,
        offers: ProviderIntake,
        family: ParentTracker,
        overlaps: OverlapTable,
        queueing: Queueing,
        requests: Requests,
        shards: int,
    ) -> None:
        """Create a placer; it requests reconciliation of an action that must give way to the placed one."""
        self._observer = observer
        self._offers = offers
        self._family = family
        self._overlaps = overlaps
        self._queueing = queueing
        self._requests = requests
        self._shards = shards

    def place(self, record: ActionRecord) -> None:
        """Determine shard, parent and partition of an action."""
        key = provider_key(record.action)
        if key is not None:
            self._offers.look_up(key)
        tie = self._observer.shard_tie(record.action)
        sharding = self._observer.sharding_of(record.action)
        record.place(shard_for(record.action, sharding, tie, shards=self._shards))
        self._family.place(record)
        self.place_in_partition(record)
        self._observer.drop_large_parameters(record)

    def place_in_partition(self, record: ActionRecord) -> None:
        """Update the place of an action in its partition."""
        self._queueing.keep_place(record)
        rival = self._overlaps.place(record, self._observer.overlap_place(record))
        if rival is not None:
            self._requests.reconcile(rival)

    def sort(self, records: Iterable[ActionRecord]) -> list[ActionRecord]:
        """Sort as partitions are served: the first of several that are looked at in turn may start at once."""
        return sorted(records, key=lambda record: self._observer.to_queued_run(record).order)
