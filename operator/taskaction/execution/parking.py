"""Parking lot: runs that wait for a quota of their target, without a worker, and with one check for all of them.

Checking every 10 s for each of 5,000 runs would cost more than the work itself. All runs that share a quota form a
group, and one member checks the quota. When that run may start, others follow at a growing pace, so that thousands do
not check a quota that has just opened (docs/porting-from-ocean.md#d6).
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from taskaction.execution.runs import QueuedRun

Quota = Hashable
"""Identity of a quota: a source, and the executor's key if the quota depends on the run."""

_FOLLOWERS = 2
"""How many runs follow each run that may start: all of 5,000 within 13 rounds."""


@dataclass(slots=True)
class _Group:
    members: OrderedDict[str, QueuedRun] = field(default_factory=OrderedDict)
    looking: set[str] = field(default_factory=set)


class ParkingLot:
    """Parked runs by quota."""

    def __init__(self) -> None:
        self._groups: dict[Quota, _Group] = {}
        self._quotas: dict[str, Quota] = {}
        self._by_source: dict[str, int] = {}

    def __len__(self) -> int:
        """Return the number of parked runs."""
        return sum(len(group.members) for group in self._groups.values())

    def parked_count(self, source: str) -> int:
        """Return the number of parked runs of a source."""
        return self._by_source.get(source, 0)

    def park(self, run: QueuedRun, quota: Quota) -> Quota | None:
        """Park ``run`` for ``quota``, behind the runs that already wait.

        Return its previous quota, if that was another one and no other run checks it now.
        """
        left = self.forget(run.id)
        self._quotas[run.id] = quota
        self._groups.setdefault(quota, _Group()).members[run.id] = run
        self._by_source[run.source] = self._by_source.get(run.source, 0) + 1
        return left if left != quota else None

    def take_probe(self, quota: Quota) -> QueuedRun | None:
        """Return the run that checks ``quota``; None if no run waits for it."""
        group = self._groups.get(quota)
        return self._take_first(group) if group is not None and group.members else None

    def take_followers(self, run_id: str) -> list[QueuedRun]:
        """Return the followers of a run that was let through."""
        group = self._remove(run_id)
        if group is None:
            return []
        return [self._take_first(group) for _ in range(min(_FOLLOWERS, len(group.members)))]

    def forget(self, run_id: str) -> Quota | None:
        """Remove a run; return its quota if no other run checks it."""
        quota = self._quotas.get(run_id)
        group = self._remove(run_id)
        if quota is None or group is None or group.looking or not group.members:
            return None
        return quota

    def _take_first(self, group: _Group) -> QueuedRun:
        run_id, run = group.members.popitem(last=False)
        group.looking.add(run_id)
        self._count_out(run)
        return run

    def _remove(self, run_id: str) -> _Group | None:
        quota = self._quotas.pop(run_id, None)
        if quota is None:
            return None
        group = self._groups[quota]
        group.looking.discard(run_id)
        run = group.members.pop(run_id, None)
        if run is not None:
            self._count_out(run)
        if not group.members and not group.looking:
            del self._groups[quota]
        return group

    def _count_out(self, run: QueuedRun) -> None:
        self._by_source[run.source] -= 1
        if not self._by_source[run.source]:
            del self._by_source[run.source]
