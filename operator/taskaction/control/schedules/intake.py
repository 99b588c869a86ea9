"""Intake of schedules: keeps the table, and requests reconciliation; decides nothing."""

from collections.abc import Callable, Sequence

from pydantic import ValidationError

from taskaction.api.action_schedule import ActionSchedule
from taskaction.api.bodies import has_ended
from taskaction.cluster.gateway import ACTION_SCHEDULES, Body, Cluster
from taskaction.control.objects.background import FailureRecorder
from taskaction.control.objects.listing import list_uids
from taskaction.control.objects.scheduled import owning_schedules
from taskaction.control.schedules.records import ScheduleTable
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.names import shard_of

_DELETED = "DELETED"


class ScheduleIntake:
    """The only entry point for what the watch reports about schedules."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        recorder: FailureRecorder,
        table: ScheduleTable,
        tenures: ShardTenures,
        request: Callable[[str], None],
        forget: Callable[[str], None],
        namespaces: Sequence[str] = (),
    ) -> None:
        """Create an intake; ``request`` gets the uid of a schedule to reconcile, ``forget`` that of a deleted one."""
        self._cluster = cluster
        self._recorder = recorder
        self._table = table
        self._tenures = tenures
        self._request = request
        self._forget = forget
        self._namespaces = namespaces

    def on_notification(self, event: str | None, body: Body) -> None:
        """Process one notification; ``event`` is the type of the watch event, None for a listed object."""
        uid = body["metadata"]["uid"]
        if event == _DELETED:
            self._forget(uid)
            return
        try:
            schedule = ActionSchedule.from_body(body)
        except ValidationError as error:
            self._recorder.on_task_failed(f"read ActionSchedule {body['metadata']['name']}", error)
            return
        record = self._table.get(uid)
        is_changed = True if record is None else record.update(schedule)
        if record is None:
            self._table.add(schedule)
        if is_changed:
            self._request(uid)

    def on_object_notification(self, event: str | None, body: Body) -> None:
        """Request the schedule of an object that has ended or was deleted, if one of its times may wait for that."""
        for uid in owning_schedules(body["metadata"]):
            record = self._table.get(uid)
            if record is not None and record.needs_ends and (event == _DELETED or has_ended(body)):
                self._request(uid)

    async def sweep(self) -> None:
        """Forget schedules whose deletion the watch missed."""
        known = [record.uid for record in self._table]
        present = await list_uids(self._cluster, ACTION_SCHEDULES, self._namespaces)
        for uid in known:
            if uid not in present:
                self._forget(uid)

    def on_shard_acquired(self, shard: int) -> None:
        """Request reconciliation of the schedules of a shard that this process owns from now on."""
        for record in self._table:
            if shard_of(record.uid, self._tenures.shards) == shard:
                self._request(record.uid)
