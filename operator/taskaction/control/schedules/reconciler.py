"""Reconciler of schedules: reads a schedule and what it made, lets ``schedules.due`` decide, and carries that out.

The objects of times are created before the status has the times, under names that follow from the times. So a crash in
between repeats the decision, and the API server refuses the second object. Each decision is made with the schedule and
the objects as the API server has them, never with what a watch has shown.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from taskaction.api.action_schedule import ActionSchedule, ActionScheduleStatus
from taskaction.api.bodies import has_ended
from taskaction.api.reasons import Reason
from taskaction.cluster.errors import ClusterError, ConflictError, NotFoundError
from taskaction.cluster.gateway import ACTION_SCHEDULES, Body, Cluster
from taskaction.cluster.retry import PATIENCE
from taskaction.cluster.write_slots import WriteRank, WriteSlots
from taskaction.control.objects.background import Background
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.status_bodies import status_body
from taskaction.control.schedules.history import choose_expendable
from taskaction.control.schedules.journal import ScheduleRecorder
from taskaction.control.schedules.manifests import TemplateError, build_manifest, controller_reference
from taskaction.control.schedules.objects import ScheduledObjects
from taskaction.control.schedules.pruning import ObjectPruner
from taskaction.control.schedules.records import ScheduleRecord, ScheduleTable
from taskaction.control.schedules.rules import rules_of, to_made_objects
from taskaction.control.schedules.statuses import (
    Refusal,
    ScheduleProgress,
    build_invalid_status,
    build_status,
    describe_missed,
    is_up_to_date,
    judge,
)
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock
from taskaction.core.names import scheduled_name, shard_of
from taskaction.execution.agenda import Agenda
from taskaction.lifecycle.decisions import RecordEvent
from taskaction.schedules.due import Decision, Rules, decide
from taskaction.schedules.errors import ScheduleError

_LOOK = timedelta(seconds=60)
"""Longest time between two decisions: timers follow the monotonic clock, and the wall clock may be set meanwhile."""

_POLL = Backoff(initial=1.0, factor=2.0, max=60.0)
"""Delays between looks at unfinished objects, of whose ends only the status has to tell."""

_WAIT = Backoff(initial=1.0, factor=2.0, max=10.0)
"""The same while a time waits for the end of one, for the case that the watch has missed it."""

_REFUSED = Backoff(initial=2.0, factor=2.0, max=60.0)
"""Delays before a refused object is tried again."""


@dataclass(slots=True)
class _Made:
    """What came of the times of a decision.

    Attributes:
        bodies: the objects that were created or found.
        replaced: names of the objects that were deleted.
        refusal: why the last one was not made.
        taken: number of times whose name another object has.
        is_complete: whether all times were handled, so that the status may have them.
    """

    bodies: list[Body] = field(default_factory=list)
    replaced: set[str] = field(default_factory=set)
    refusal: Refusal | None = None
    taken: int = 0
    is_complete: bool = True


class ScheduleReconciler:
    """Reconciler of the schedules whose shards this process owns; one reconciliation of a schedule at a time."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        jitter: Callable[[], float],
        slots: WriteSlots,
        table: ScheduleTable,
        tenures: ShardTenures,
        objects: ScheduledObjects,
        pruner: ObjectPruner,
        agenda: Agenda[str],
        background: Background,
        events: EventPoster,
        recorder: ScheduleRecorder,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._jitter = jitter
        self._slots = slots
        self._table = table
        self._tenures = tenures
        self._objects = objects
        self._pruner = pruner
        self._agenda = agenda
        self._background = background
        self._events = events
        self._recorder = recorder

    def request(self, uid: str) -> None:
        """Reconcile a schedule as soon as no reconciliation of it is running."""
        record = self._table.get(uid)
        if record is not None and self._owns(record) and record.request():
            record.begin()
            self._background.start(self._run(record), name=f"reconcile ActionSchedule {uid}")

    async def run_looks(self) -> None:
        """Reconcile once a minute, until cancelled, what the agenda would let wait for longer.

        The agenda follows the wall clock: after that was set back, its timers would come late by as much.
        """
        while True:
            await self._clock.sleep(_LOOK.total_seconds())
            latest = self._clock.now() + _LOOK
            for record in self._table:
                at = self._agenda.at(record.uid)
                if at is not None and at > latest:
                    self.request(record.uid)

    def forget(self, uid: str) -> None:
        """Stop the timer of a deleted schedule, and forget it."""
        self._agenda.set(uid, None)
        self._table.drop(uid)

    async def _run(self, record: ScheduleRecord) -> None:
        """Reconcile until nothing is requested any more, and set the timer, also after an unexpected error."""
        try:
            while True:
                wake = await self._try(record)
                if not self._is_mine(record):
                    return
                if not record.is_requested:
                    self._agenda.set(record.uid, wake)
                    return
                record.begin()
        except Exception:
            self._agenda.set(record.uid, self._after(_REFUSED, record.fail()))
            raise
        finally:
            record.end()

    async def _try(self, record: ScheduleRecord) -> datetime | None:
        """Reconcile once; return when to do so again."""
        try:
            wake = await self._reconcile(record)
        except ConflictError:
            record.request()  # somebody else has changed the schedule: decide again
            return None
        except NotFoundError:
            self.forget(record.uid)
            return None
        except ClusterError as error:
            self._recorder.on_call_retried(error)
            return self._after(PATIENCE, record.fail())
        if wake is None:
            return None
        return min(wake, self._clock.now() + _LOOK)

    async def _reconcile(self, record: ScheduleRecord) -> datetime | None:
        try:
            rules = rules_of(record.schedule)
        except ScheduleError:
            rules = None
        if rules is not None:
            expected = decide(rules, record.schedule.status.last_scheduled_time, (), self._clock.now())
            if is_up_to_date(record.schedule, expected):
                return expected.wake
        schedule = await self._read(record)
        if schedule is None or schedule.metadata.deletion_timestamp is not None:
            return None
        try:
            rules = rules_of(schedule)
        except ScheduleError as error:
            await self._write(record, schedule, build_invalid_status(schedule, str(error), self._clock.now()))
            return None
        return await self._advance(record, schedule, rules)

    async def _advance(self, record: ScheduleRecord, schedule: ActionSchedule, rules: Rules) -> datetime | None:
        """Make the objects that are due, write the status, and delete what exceeds the history limits.

        While the clock differs from the API server's, nothing is decided: missed times would pass the mark, too.
        """
        found = await self._objects.list_all(schedule)
        if not self._may_start(record):
            return self._after(_REFUSED, record.fail())
        status, known = schedule.status, to_made_objects(schedule.metadata.name, found, record.unrecorded)
        decision = decide(rules, status.last_scheduled_time, known, self._clock.now())
        made = await self._make(record, schedule, decision, found)
        present = {body["metadata"]["name"]: body for body in (*found, *made.bodies)}
        active = [body for name, body in present.items() if name not in made.replaced and not has_ended(body)]
        missed = decision.missed + made.taken if made.is_complete else 0
        progress = ScheduleProgress(
            last=decision.last if made.is_complete else status.last_scheduled_time,
            next=decision.next_time,
            missed=(status.missed or 0) + missed,
            active=active,
        )
        readiness = judge(schedule, decision, made.refusal)
        written = build_status(schedule, progress, readiness, self._clock.now())
        stored = await self._write(record, schedule, written)
        self._report(schedule, stored, made.refusal, missed)
        self._pruner.start(schedule, choose_expendable(stored, found, stored.status.last_scheduled_time))
        return self._next_look(record, decision, made, has_active=bool(active))

    async def _make(
        self, record: ScheduleRecord, schedule: ActionSchedule, decision: Decision, found: list[Body]
    ) -> _Made:
        """Delete what is replaced, and create the objects of the times, unless this process may have lost the shard.

        Nothing is deleted for a template that makes no object.
        """
        made = _Made()
        try:
            manifests = [(time, _build(schedule, time)) for time in decision.starts]
        except TemplateError as error:
            self._refuse(schedule, made, Refusal(Reason.INVALID_TEMPLATE, str(error)))
            return made
        for body in found:
            if (name := body["metadata"]["name"]) in decision.replaced:
                if not self._may_start(record):
                    made.is_complete = False
                    return made
                await self._objects.delete(schedule, body)
                made.replaced.add(name)
        for time, manifest in manifests:
            if not self._may_start(record):
                made.is_complete = False
                break
            outcome = await self._objects.ensure(schedule, manifest)
            if isinstance(outcome, Refusal):
                self._refuse(schedule, made, outcome)
                if not made.is_complete:
                    break
                continue
            made.bodies.append(outcome)
            record.note_made(time, outcome["metadata"]["name"])
            self._recorder.on_object_made(schedule, self._clock.now() - time)
        return made

    def _refuse(self, schedule: ActionSchedule, made: _Made, refusal: Refusal) -> None:
        """Note that the object of a time was not made: the time is missed, or tried again."""
        made.refusal = refusal
        self._recorder.on_object_refused(schedule, refusal.reason, refusal.message)
        if refusal.is_final:
            made.taken += 1
        else:
            made.is_complete = False

    def _report(self, before: ActionSchedule, stored: ActionSchedule, refusal: Refusal | None, missed: int) -> None:
        """Record what the written status says: missed times, and a refusal that is new."""
        if missed:
            self._recorder.on_times_missed(stored, missed)
            self._events.post(
                stored, RecordEvent(warning=True, reason=Reason.TIME_MISSED, message=describe_missed(missed))
            )
        if refusal is not None and stored.status.conditions != before.status.conditions:
            self._events.post(stored, RecordEvent(warning=True, reason=refusal.reason, message=refusal.message))

    def _next_look(
        self, record: ScheduleRecord, decision: Decision, made: _Made, *, has_active: bool
    ) -> datetime | None:
        """Return when to reconcile again: at the next time, or earlier for what ends or must be tried again."""
        if not made.is_complete:
            return self._after(_REFUSED, record.fail())
        record.succeed()
        record.waits = decision.waits
        polls = record.count_poll(restart=bool(made.bodies))
        if decision.waits:
            return self._after(_WAIT, polls)
        poll = self._after(_POLL, polls) if has_active else None
        return min((one for one in (poll, decision.wake) if one is not None), default=None)

    async def _read(self, record: ScheduleRecord) -> ActionSchedule | None:
        """Return the schedule as the API server has it; None if it is deleted."""
        metadata = record.schedule.metadata
        body = await self._slots.run(
            metadata.namespace,
            WriteRank.AWAITED,
            lambda: self._cluster.get(ACTION_SCHEDULES, metadata.name, metadata.namespace),
        )
        if body is None or body["metadata"]["uid"] != record.uid:
            self.forget(record.uid)
            return None
        schedule = ActionSchedule.from_body(body)
        record.update(schedule)
        return schedule

    async def _write(
        self, record: ScheduleRecord, schedule: ActionSchedule, status: ActionScheduleStatus
    ) -> ActionSchedule:
        """Write a status if it is new; return the schedule as it is then."""
        if status == schedule.status:
            return schedule
        metadata = schedule.metadata
        body = status_body(ACTION_SCHEDULES, metadata, metadata.resource_version, status)
        stored = await self._slots.run(
            metadata.namespace,
            WriteRank.AWAITED,
            lambda: self._cluster.replace_status(ACTION_SCHEDULES, body),
        )
        written = ActionSchedule.from_body(stored)
        record.update(written)
        return written

    def _may_start(self, record: ScheduleRecord) -> bool:
        return self._tenures.may_start(shard_of(record.uid, self._tenures.shards))

    def _owns(self, record: ScheduleRecord) -> bool:
        return self._tenures.owns_key(record.uid)

    def _is_mine(self, record: ScheduleRecord) -> bool:
        return self._table.get(record.uid) is record and self._owns(record)

    def _after(self, backoff: Backoff, attempt: int) -> datetime:
        return self._clock.now() + timedelta(seconds=backoff.delay(attempt, self._jitter()))


def _build(schedule: ActionSchedule, time: datetime) -> Body:
    """Return the object of a time; raise ``TemplateError``."""
    return build_manifest(schedule, scheduled_name(schedule.metadata.name, time), time, controller_reference(schedule))
