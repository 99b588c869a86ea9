"""The reconciler of TaskActions: observes an action, lets ``lifecycle.machine`` decide, and carries out the decision.

Each of its parts does one thing (see ``ReconcilerParts``); only the machine decides what happens next.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from taskaction.control.events.dispatcher import EventDispatcher
from taskaction.control.events.reports import parse_reports
from taskaction.control.objects.background import Background
from taskaction.control.objects.family import ParentTracker
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.records import ActionRecord, ActionTable
from taskaction.control.objects.writer import WriteResult
from taskaction.control.providers.offers import ProviderIntake
from taskaction.control.sharding.leases import ShardLeases
from taskaction.control.task_actions.calls import ExecutorCaller
from taskaction.control.task_actions.cancelling import Canceller
from taskaction.control.task_actions.journal import ActionRecorder
from taskaction.control.task_actions.observe import ActionObserver, ExecutorBinding, provider_key
from taskaction.control.task_actions.queueing import Queueing
from taskaction.control.task_actions.status_commit import StatusCommitter
from taskaction.control.task_actions.teardown import Teardown
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda
from taskaction.execution.manager import ExecutionManager
from taskaction.lifecycle.decisions import (
    AddFinalizer,
    Adopt,
    Call,
    Cancel,
    Decision,
    Dequeue,
    Enqueue,
    ExpireAt,
    Park,
    PollAt,
    RecordEvent,
    RemoveFinalizer,
    WakeAt,
    Write,
)
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded
from taskaction.lifecycle.state import (
    Activity,
    CallEnded,
    CancelEnded,
    Event,
    Observed,
    Owner,
    Reconcile,
    ReportReceived,
    Slot,
)

_UNDER_WAY = frozenset({Activity.CALLING, Activity.CANCELLING})
_LEASE_PAUSE = 0.5
_BINDING_PAUSE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilerParts:
    """Collaborators of the reconciler."""

    table: ActionTable
    clock: Clock
    observer: ActionObserver
    family: ParentTracker
    offers: ProviderIntake
    leases: ShardLeases
    manager: ExecutionManager
    caller: ExecutorCaller
    editor: ObjectEditor[ActionRecord]
    agenda: Agenda[str]
    background: Background
    canceller: Canceller
    teardown: Teardown
    queueing: Queueing
    status_committer: StatusCommitter
    dispatcher: EventDispatcher
    journal: ActionRecorder
    identity: str
    status_delay: timedelta


class Reconciler:
    """Reconciler of TaskActions."""

    def __init__(self, parts: ReconcilerParts) -> None:
        self._parts = parts

    # -- triggers -----------------------------------------------------------------------------------------------------

    def reconcile(self, record: ActionRecord) -> None:
        """Reconcile an action: decide what is due, and start it."""
        if self._parts.leases.tenure(record.shard) is not None and self._must_wait(record):
            return
        decision = self._decide(record, Reconcile())
        if decision is None:
            return
        self._apply(record, decision)
        if decision.write in {Write.NOW, Write.FIRST} or record.is_finished:
            self._parts.background.start(
                self._parts.status_committer.commit(record, decision), name=f"commit {record.uid}"
            )

    def on_due(self, uid: str) -> None:
        """Handle a due entry of the agenda: write a delayed status, poll, or reconcile."""
        record = self._parts.table.get(uid)
        if record is None:
            return
        now = self._parts.clock.now()
        if record.flush_at is not None and record.flush_at <= now:
            record.flush_at = None
            self._parts.background.start(self._parts.status_committer.write_status(record), name=f"flush {uid}")
        if record.poll_at is not None and record.poll_at <= now:
            record.poll_at = None
            self._parts.queueing.enqueue(record)
        if record.wake_at is not None and record.wake_at <= now:
            record.wake_at = None
            self.reconcile(record)
        self._schedule(record)

    def poll_now(self, uid: str) -> None:
        """Poll an action at once, because an object that it created changed, or an event for it arrived."""
        record = self._parts.table.get(uid)
        if record is None:
            return
        if record.activity is Activity.WAITING:
            self._parts.queueing.enqueue(record)
            self._schedule(record)
        record.poll_again = (
            record.activity is Activity.CALLING
        )  # the running call may have read the state before the change

    def gives_out_work(self, record: ActionRecord) -> bool:
        """Whether this process owns the action and has started its workers."""
        return self._parts.manager.is_open and self._parts.leases.tenure(record.shard) is not None

    def is_involved(self, record: ActionRecord) -> bool:
        """Whether this process owns the action, or a call of it is still running here."""
        return record.activity.is_under_way or self._parts.leases.tenure(record.shard) is not None

    def on_progress_reported(self, record: ActionRecord) -> None:
        """Schedule a status write for what an executor reported."""
        if record.flush_at is None:
            record.flush_at = self._parts.clock.now() + self._parts.status_delay
            self._schedule(record)

    def _decide(self, record: ActionRecord, event: Event) -> Decision | None:
        """Return the decision about ``event``; None if this process must not decide."""
        owner = self._owner(record)
        if owner is None or record.is_gone or (isinstance(event, Reconcile | Slot) and self._is_unclear(record)):
            return None
        return step(self._parts.observer.observe_action(record, owner), event, self._parts.clock.now())

    def _is_unclear(self, record: ActionRecord) -> bool:
        """Whether a lookup of the provider is pending: a decision now would show a wrong state."""
        key = provider_key(record.action)
        return key is not None and self._parts.offers.is_lookup_pending(key)

    def _owner(self, record: ActionRecord) -> Owner | None:
        """Return this process as the owner of the record; None if it is not.

        A claimed attempt stays this process's own if the shard is lost meanwhile: its result may still be written,
        unless another process has written a claim (docs/architecture.md).
        """
        tenure = self._parts.leases.tenure(record.shard)
        if tenure is not None:
            return Owner(holder=self._parts.identity, epoch=tenure.epoch)
        claim, under_way = record.status.claim, record.activity in _UNDER_WAY
        if under_way and claim is not None and claim.holder == self._parts.identity:
            return Owner(holder=claim.holder, epoch=claim.epoch)
        return None

    # -- turns of workers ---------------------------------------------------------------------------------------------

    async def process(self, uid: str) -> bool:
        """Start or poll an action in a worker, and record the outcome; return whether there was a call."""
        record = self._parts.table.get(uid)
        if record is None:
            self._parts.manager.forget(uid)
            return False
        if record.cancelling:
            return False  # the end of the cancel decides what follows
        record.activity = Activity.IDLE
        if record.queued_at is not None:
            self._parts.journal.on_queue_left(record, self._parts.clock.monotonic() - record.queued_at)
            record.queued_at = None
        decision = await self._decide_turn(record)
        if decision is None:
            return False
        call = self._apply(record, decision)
        if call is None:
            await self._parts.status_committer.commit(record, decision)
            return False
        await self._make_call(record, call, decision)
        return True

    async def _decide_turn(self, record: ActionRecord) -> Decision | None:
        """Return the decision for a worker's turn; None if there is nothing to do, or not yet."""
        if self._must_wait(record):
            return None
        if record.status.phase.is_started and (reports := self._parts.dispatcher.take_reports(record)):
            self._parts.dispatcher.mark_consumed(record)
            return self._decide(record, ReportReceived(parse_reports(reports)))
        limited = await self._check_quota(record)
        if limited is None and record.parked_at is not None:
            self._parts.journal.on_quota_passed(record, self._parts.clock.monotonic() - record.parked_at)
            record.parked_at = None
        if self._must_wait(record):
            return None  # the quota check may have taken long
        return self._decide(record, Slot() if limited is None else CallEnded(limited))

    async def _make_call(self, record: ActionRecord, call: Call, decision: Decision) -> None:
        outcome = await self._prepare_and_call(record, call, decision)
        if outcome is not None:
            await self._conclude(record, outcome)
        elif record.activity is Activity.CALLING and self._parts.table.get(record.uid) is record:
            # Nothing was called: the shard was lost, or the provider is not available.
            record.activity = Activity.IDLE
            record.taken_over_at = record.taken_over_at or self._parts.clock.now()
            self._postpone(record, _BINDING_PAUSE)

    async def _conclude(self, record: ActionRecord, outcome: Outcome) -> None:
        decision = self._decide(record, CallEnded(outcome))
        if decision is None:
            return
        record.activity = Activity.IDLE
        self._parts.dispatcher.mark_consumed(record)
        self._apply(record, decision)
        if decision.status.phase.is_started and record.activity is Activity.IDLE:
            record.activity = Activity.WAITING
        await self._parts.status_committer.commit(record, decision)

    async def _check_quota(self, record: ActionRecord) -> Limited | Failed | None:
        """Check the target's quota before an attempt is opened; a limited action returns its worker."""
        owner = self._owner(record)
        bound = self._parts.observer.bind_executor(record.action)
        if owner is None or not isinstance(bound, ExecutorBinding) or record.status.phase.is_started:
            return None
        if not bound.executor.limits_itself:
            return None
        return await self._parts.caller.check_quota(record, bound, self._parts.observer.observe_action(record, owner))

    def _must_wait(self, record: ActionRecord) -> bool:
        """Whether the lease is too old to rely on: another process may own the action and its status.

        A call or cancel that this process has started continues.
        """
        if record.activity in _UNDER_WAY or self._parts.leases.may_start(record.shard):
            return False
        self._postpone(record, _LEASE_PAUSE)
        return True

    def _postpone(self, record: ActionRecord, seconds: float) -> None:
        """Reconcile after the lease is renewed or the provider is available; nothing may start earlier."""
        record.wake_at = self._parts.clock.now() + timedelta(seconds=seconds)
        self._schedule(record)

    async def _prepare_and_call(self, record: ActionRecord, call: Call, decision: Decision) -> Outcome | None:
        """Call the executor, after a write of the claim if required; return None if there is no outcome to record."""
        record.activity = Activity.CALLING
        if AddFinalizer() in decision.effects:
            await self._parts.editor.add_finalizer(record)
            if record.is_finished:  # aborted meanwhile, by a decision that saw no finalizer to remove
                await self._parts.editor.remove_finalizer(record)
                return None
        if (
            decision.write is Write.FIRST
            and await self._parts.status_committer.write_status(record) is not WriteResult.STORED
        ):
            return None
        if record.is_gone:
            self._parts.teardown.on_deleted(record)
            return None
        owner = self._owner(record)
        bound = self._parts.observer.bind_executor(record.action)
        if owner is None or not isinstance(bound, ExecutorBinding) or record.activity is not Activity.CALLING:
            return None
        observed = self._parts.observer.observe_action(record, owner)
        while not self._parts.leases.may_start(record.shard):
            await self._parts.clock.sleep(_LEASE_PAUSE)
            if not self._parts.leases.holds(record.shard):
                return None
        return await self._call_executor(record, bound, observed, poll=call.poll)

    async def _call_executor(
        self, record: ActionRecord, bound: ExecutorBinding, observed: Observed, *, poll: bool
    ) -> Outcome | None:
        record.polled_signal, record.poll_again = record.action.spec.signal, False
        attempt, claim = record.status.attempt, record.status.claim
        started = self._parts.clock.monotonic()
        if not poll:
            self._parts.journal.on_attempt_started(record, bound.executor.ACTION_NAME)
        deliveries = self._parts.dispatcher.take_deliveries(record) if poll else ()
        work = self._parts.caller.call(record, bound, observed, poll=poll, deliveries=deliveries)
        record.call = asyncio.create_task(work, name=f"call {record.uid}")
        try:
            await asyncio.wait({record.call})
        finally:
            call, record.call = record.call, None
            if not call.done():
                call.cancel()  # the turn was cancelled: the process stops
        if call.cancelled():
            return None
        outcome = call.result()
        seconds = self._parts.clock.monotonic() - started
        self._parts.journal.on_call_ended(record, bound.executor.ACTION_NAME, outcome, seconds)
        if record.activity is Activity.CANCELLING and not isinstance(outcome, Succeeded):
            if isinstance(outcome, Pending | Paused) and outcome.external_id is not None:
                # The external work has started meanwhile: the executor's cancel needs its ID.
                record.status = record.status.model_copy(update={"external_id": outcome.external_id})
            return None  # the cancel decides what is recorded
        if (record.status.attempt, record.status.claim) != (attempt, claim) or not record.status.phase.is_started:
            return None  # the attempt was given up, or another owner has taken it over
        return outcome

    async def on_cancel_ended(self, record: ActionRecord) -> None:
        """Record the end of a cancelled attempt, if the object and the attempt still exist."""
        if self._parts.table.get(record.uid) is not record or not record.status.phase.is_started:
            return
        if record.activity is not Activity.CANCELLING:
            return  # another owner took it over meanwhile
        decision = self._decide(record, CancelEnded())
        if decision is None:
            return
        record.activity = Activity.IDLE
        self._apply(record, decision)
        await self._parts.status_committer.commit(record, decision)

    # -- effects and writes -------------------------------------------------------------------------------------------

    def _apply(self, record: ActionRecord, decision: Decision) -> Call | None:  # noqa: C901, PLR0912 - one case per effect
        """Accept a decision: set the status, run the effects that need no record first, and return the call to make."""
        record.status = decision.status
        record.wake_at = None
        record.poll_again |= self._parts.dispatcher.index_external_id(record)
        call: Call | None = None
        withdrawn = False
        for effect in decision.effects:
            match effect:
                case Call():
                    call = effect
                case Enqueue():
                    self._parts.queueing.enqueue(record)
                case Dequeue():
                    record.activity = Activity.IDLE
                    withdrawn = True
                case Park(at=at, key=key):
                    self._parts.queueing.park(record, at, key)
                case PollAt(at=at):
                    record.poll_at = self._parts.clock.now() if record.poll_again else at
                    record.poll_again = False
                case WakeAt(at=at):
                    record.wake_at = at if record.wake_at is None else min(at, record.wake_at)
                case Cancel(bound=bound):
                    self._parts.canceller.cancel(record, bound)
                case Adopt():
                    self._parts.background.start(self._adopt(record), name=f"adopt {record.uid}")
                case AddFinalizer() | RemoveFinalizer() | ExpireAt() | RecordEvent():
                    pass  # these run before or after the write: see the reconciler's calls and status_commit
                case _:
                    assert_never(effect)
        if decision.write is Write.LATER:
            record.flush_at = record.flush_at or self._parts.clock.now() + self._parts.status_delay
        elif decision.write is not Write.NONE:
            record.flush_at = None
        self._parts.queueing.update_hold(record, withdrawn=withdrawn)
        self._schedule(record)
        return call

    async def on_partition_failed(self, record: ActionRecord, failure: Failed) -> None:
        """Fail an action whose executor could not find its partition."""
        await self._conclude(record, failure)

    def observe_owned(self, record: ActionRecord) -> Observed | None:
        """Return the facts about an action; None if this process does not own it."""
        owner = self._owner(record)
        return None if owner is None or record.is_gone else self._parts.observer.observe_action(record, owner)

    async def _adopt(self, record: ActionRecord) -> None:
        if record.adopter is None:
            return
        await self._parts.editor.add_owner(record, record.adopter)
        if record.is_gone:
            self._parts.teardown.on_deleted(record)
            return
        self._parts.family.place(record)
        self.reconcile(record)

    def _schedule(self, record: ActionRecord) -> None:
        self._parts.agenda.set(record.uid, record.next_due)
